#pragma once
#include "reports/results.hpp"

#include <nlohmann/json_fwd.hpp>

namespace windtunnel {

// A trial's numbers as JSON and back, without loss: doubles are written with as many digits as tell them apart.
// What was computed elsewhere (a shard, another rank, before an interruption) then gives the same results.

[[nodiscard]] nlohmann::ordered_json trial_json(const TrialNumbers& numbers);
/// Nothing when a member is missing or of another kind.
[[nodiscard]] std::optional<TrialNumbers> trial_of_json(const nlohmann::ordered_json& json);

}  // namespace windtunnel
