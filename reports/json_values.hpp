#pragma once
#include "reports/statistics.hpp"

#include <nlohmann/json.hpp>
#include <optional>

namespace windtunnel {

/// null where there is none, as in every document that the program writes.
[[nodiscard]] inline nlohmann::ordered_json number(const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}
[[nodiscard]] inline nlohmann::ordered_json bounds(const std::optional<Interval>& interval) {
    return interval ? nlohmann::ordered_json::array({interval->first, interval->second}) : nlohmann::ordered_json(nullptr);
}

}  // namespace windtunnel
