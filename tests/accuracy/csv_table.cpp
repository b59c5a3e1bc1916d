#include "tests/accuracy/measured_case.hpp"

#include "scenarios/documents/byte_source.hpp"
#include "scenarios/documents/text_input.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace windtunnel::accuracy {

namespace {

std::vector<std::string> fields_of(std::string_view line) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= line.size();) {
        const std::size_t end = std::min(line.find(',', at), line.size());
        out.emplace_back(line.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

}  // namespace

std::size_t CsvTable::column(std::string_view name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw std::runtime_error("no column " + std::string(name));
    return static_cast<std::size_t>(found - names.begin());
}

CsvTable read_csv(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + file.string());
    ByteSource source(in);
    TextInput text(source);
    CsvTable out;
    std::string_view line;
    if (text.next_line(line)) out.names = fields_of(line);
    while (text.next_line(line)) {
        out.rows.push_back(fields_of(line));
        if (out.rows.back().size() != out.names.size())
            throw std::runtime_error(file.string() + ":" + std::to_string(text.line()) +
                                     ": not as many fields as the header");
    }
    return out;
}

}  // namespace windtunnel::accuracy
