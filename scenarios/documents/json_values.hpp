#pragma once
#include "models/problem.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace windtunnel {

struct JsonValue {
    nlohmann::ordered_json json;
    std::int64_t line = 0;  ///< on which it begins
};

/// The JSON values that stand in a text one after the other, one a line or not: of a file of one document, that one. Or the
/// line on which the text ceases to be JSON; `allowed` says what the file may be.
[[nodiscard]] Result<std::vector<JsonValue>> json_values(std::string text, const std::string& file, const std::string& allowed);

}  // namespace windtunnel
