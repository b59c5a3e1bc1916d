#pragma once
#include "models/kv_capacity.hpp"
#include "models/step_time.hpp"
#include "scenarios/servers/model_server.hpp"
#include "sim/blueprint_builder.hpp"

#include <optional>
#include <string>

namespace windtunnel {

/// Reads vLLM's --speculative-config, a JSON object. What is wrong with it, or nothing.
[[nodiscard]] std::optional<std::string> read_speculative_config(const std::string& json, Speculation& out);

/// Makes a server one that drafts: every decode step verifies the drafts behind each sequence's token, and
/// pays for making them. `server.speculation` is set. Results: what is wrong, or nothing; notes go to
/// `warnings`.
[[nodiscard]] std::optional<std::string> apply_speculation(const ModelServer& server,
                                                           const KvCapacity& capacity,
                                                           const StepTimeOptions& options, ServerParts& parts,
                                                           std::vector<std::string>& warnings);

}  // namespace windtunnel
