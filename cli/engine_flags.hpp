#pragma once
#include "models/kv_capacity.hpp"

#include <CLI/CLI.hpp>
#include <string>

namespace windtunnel {

/// The flags that describe one vLLM server, the same for `kv` and `bench`.
struct EngineFlags {
    KvRequest request;
    std::string kv_shape;  ///< as typed

    /// `positional`: the model may stand without its flag, as `vllm serve` has it.
    void add_to(CLI::App& command, bool positional = false);
    /// The request, with the shape read.
    [[nodiscard]] Result<KvRequest> read() const;
    /// What the request comes to, with the model called as it was typed; where the catalogue calls it otherwise, a note says so.
    [[nodiscard]] Result<KvCapacity> capacity(const KvRequest& read) const;
};

/// Problems of a request name its fields; the flags are called the same.
[[nodiscard]] Problems as_flags(Problems problems);
/// Prints them so; the exit code of bad input.
[[nodiscard]] int refuse_flags(Problems problems);

/// "-o table|json".
CLI::Option* add_output_flag(CLI::App& command, std::string& output);

}  // namespace windtunnel
