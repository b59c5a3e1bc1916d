#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What a server needs that hands over KV or receives it (`server.kv_role`): the bytes of its blocks. What it
/// cannot be besides, if it is; empty where it can.
[[nodiscard]] std::string compile_kv_role(const ModelServer& server, const KvCapacity& capacity,
                                          bool shared_prefixes, ServerParts& parts);

/// The compiled workload of that name; their number when there is none.
[[nodiscard]] std::size_t find_workload(const CompiledScenario& compiled, const WorkloadSpec& spec);

/// Ties workload `answers`, made from `spec`, to workload `prompts`, which computes its prompts.
void compile_prefill(const Scenario& scenario, const WorkloadSpec& spec, std::size_t answers,
                     std::size_t prompts, CompiledScenario& out, Problems& errors);

}  // namespace windtunnel
