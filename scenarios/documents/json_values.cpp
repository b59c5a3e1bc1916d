#include "scenarios/documents/json_values.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

namespace windtunnel {

Result<std::vector<JsonValue>> json_values(std::string text, const std::string& file, const std::string& allowed) {
    std::istringstream in(std::move(text));
    std::int64_t line = 1;
    std::size_t counted = 0;
    const auto line_here = [&] {
        const auto here = static_cast<std::size_t>(in.rdbuf()->pubseekoff(0, std::ios::cur, std::ios::in));
        const std::string_view passed = in.view().substr(counted, here - counted);
        line += std::count(passed.begin(), passed.end(), '\n');
        counted = here;
        return line;
    };
    std::vector<JsonValue> out;
    while (in >> std::ws, !in.eof()) {
        JsonValue& value = out.emplace_back();
        value.line = line_here();
        try {
            in >> value.json;
        } catch (const nlohmann::ordered_json::exception&) {
            in.rdbuf()->sungetc();  // the character that does not fit may be the line's end
            return Problem{{file, static_cast<std::int32_t>(line_here()), 0}, "", "found text that is no JSON, allowed: " + allowed};
        }
    }
    return out;
}

}  // namespace windtunnel
