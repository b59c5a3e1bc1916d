#pragma once
#include "scenarios/markets/spot_history.hpp"

#include <string>
#include <vector>

namespace windtunnel {

// Behind read_spot_history().

/// The JSON formats: arrays of availability, AWS price histories, the GCP preemption study.
[[nodiscard]] Result<SpotHistory> read_spot_json(const std::string& document, const std::string& name,
                                                 const SpotReadOptions& options);

/// The market has `count` nodes from `at_ms` on; `there` are the numbers of those it had. The latest go
/// first.
void set_count(SpotMarketRecord& market, std::vector<std::uint32_t>& there, std::int64_t count,
               std::int64_t at_ms);

}  // namespace windtunnel
