#pragma once
#include "models/gpu_catalog.hpp"
#include "models/problem.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// A vLLM release, 0.minor.patch.
struct EngineVersion {
    int minor = 24;
    int patch = 0;
    auto operator<=>(const EngineVersion&) const = default;
};
/// The newest release whose behaviour is modelled (read in June 2026); used when none is asked for.
inline constexpr EngineVersion newest_engine{24, 0};
[[nodiscard]] std::string to_string(EngineVersion version);
/// "0.11", "0.11.0", "v0.11.0", "0.11.1rc2", "0.10.0+cu128"; anything but 0.1 to `newest_engine` is a
/// problem.
[[nodiscard]] Result<EngineVersion> read_engine_version(std::string_view text);

enum class EngineGeneration { v0, v1 };

/// How a release accounts memory at start-up (what is subtracted from utilisation * total):
/// p0 what torch allocated at most; p1 what the device lost over the profile run; p2 and p4 torch's peak
/// and everything else on the device; p3, p5 and p6 weights, torch's increase and the rest's increase since
/// a snapshot; p7 also an estimate of what CUDA graphs will take.
enum class CapacityProfile { p0, p1, p2, p3, p4, p5, p6, p7 };
[[nodiscard]] std::string_view to_string(CapacityProfile profile);

/// Which engine a release runs and how it behaves. Read in vLLM's sources of 0.2 to 0.24 (2023 to 2026).
struct EngineProfile {
    EngineVersion version;
    EngineGeneration generation = EngineGeneration::v1;
    CapacityProfile capacity = CapacityProfile::p7;
    bool hybrid_kv_groups = true;          ///< layers of unlike attention get groups of their own (0.11)
    bool asynchronous_scheduling = true;   ///< on by default (0.14)
    bool full_sequence_guard = true;       ///< admits only what fits whole (0.19)
    bool prefix_caching = true;            ///< on by default (V1)
    bool chunked_prefill = true;           ///< on by default (V1)
    bool full_graphs = true;               ///< whole-step graphs for pure decodes (0.11)
    bool concurrency_in_blocks = true;     ///< "maximum concurrency" counts whole blocks (0.9.1)
    double kv_watermark = 0;               ///< share of blocks that admission leaves free: 0.01 in V0
    double gpu_memory_utilization = 0.92;  ///< default (0.92 from 0.22, 0.90 before)
};

/// The profile of a release; `generation` overrides the release's default (V1 from 0.8). Asking V0 of 0.11
/// or later, or V1 of 0.6 or earlier, is a problem.
[[nodiscard]] Result<EngineProfile> engine_profile(std::optional<EngineVersion> version,
                                                   std::optional<EngineGeneration> generation);

/// The batch limits that a server takes when none are given.
struct BatchLimits {
    int max_num_seqs = 256;
    int max_num_batched_tokens = 2048;
};
/// Depends on the release and on the GPU: V1 from 0.8 has larger limits from 70 GiB on, from 0.9.2 except on
/// an A100. `max_model_len` bounds what V0 batches.
[[nodiscard]] BatchLimits default_batch_limits(const EngineProfile& profile, const Gpu& gpu,
                                               int max_model_len, std::optional<int> max_num_seqs,
                                               std::optional<int> max_num_batched_tokens);

/// Batch sizes that are captured as CUDA graphs, ascending. `ceiling` is max_cudagraph_capture_size when
/// given. Empty when the engine runs eagerly.
[[nodiscard]] std::vector<int> captured_batch_sizes(const EngineProfile& profile, const BatchLimits& limits,
                                                    std::optional<int> ceiling);

}  // namespace windtunnel
