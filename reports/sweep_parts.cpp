#include "reports/sweep_parts.hpp"

#include "models/version.hpp"
#include "reports/part_file.hpp"

#include <fmt/format.h>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;
constexpr const char* schema = "windtunnel.sweep/v1";

Problem at(const std::string& file, const std::string& path, const std::string& message) {
    return {{file, 0, 0}, path, message};
}

struct SweepPart {
    std::string file;
    Json header;  ///< without its shard and version
    Shard shard;
    std::map<std::uint64_t, std::string> lines;  ///< by configuration
};

Problems read(const std::string& file, SweepPart& out) {
    std::ifstream in(file, std::ios::binary);
    std::string line;
    if (!in || !std::getline(in, line)) return {at(file, "", "cannot be read, allowed: a part of a sweep")};
    out.file = file;
    out.header = Json::parse(line, nullptr, false);
    if (!out.header.is_object() || out.header.value("schema", "") != schema || !out.header.contains("shard"))
        return {at(file, "shard", "found no part of a sweep, allowed: what `windtunnel sweep --shard i/N --out FILE` wrote")};
    const Result<Shard> shard = parse_shard(out.header.value("shard", ""));
    if (!shard) return {at(file, "shard", "found no i/N, allowed: the file as it was written")};
    if (out.header.value("version", "") != version)
        return {at(file, "version", "found " + out.header.value("version", "none") + ", allowed: " + version + ", this program's")};
    out.shard = *shard;
    out.header.erase("shard");
    out.header.erase("version");
    Problems problems;
    while (std::getline(in, line)) {
        const Json json = Json::parse(line, nullptr, false);
        if (!json.is_object() || !json.contains("index") || !out.shard.holds(json["index"].get<std::uint64_t>())) {
            problems.push_back(at(file, "", "found a line that is no configuration of this part, allowed: the file as it was written"));
            continue;
        }
        if (json.value("state", "") == "waiting")
            problems.push_back(at(file, "", fmt::format("found configuration {} without all of its trials: it was stopped, allowed: complete "
                                                        "parts; the command that wrote it goes on from there",
                                                        json["index"].dump())));
        out.lines[json["index"].get<std::uint64_t>()] = line + "\n";
    }
    return problems;
}

std::string differing_key(const Json& a, const Json& b) {
    for (const auto& [key, value] : b.items())
        if (!a.contains(key) || a[key] != value) return key;
    return "shard";
}

}  // namespace

bool is_sweep_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string line;
    std::getline(in, line);
    const Json json = Json::parse(line, nullptr, false);
    return json.is_object() && json.value("schema", "") == schema;
}

Result<std::string> merge_sweep_parts(const std::vector<std::string>& files) {
    Problems problems;
    std::vector<SweepPart> parts;
    for (const std::string& file : files) {
        SweepPart part;
        Problems found = read(file, part);
        if (found.empty())
            parts.push_back(std::move(part));
        else
            problems.insert(problems.end(), found.begin(), found.end());
    }
    if (!problems.empty()) return problems;
    const SweepPart& first = parts.front();
    std::map<std::uint32_t, std::string> seen;
    std::map<std::uint64_t, std::string> lines;
    for (SweepPart& part : parts) {
        if (part.header != first.header || part.shard.count != first.shard.count)
            problems.push_back(at(part.file, differing_key(part.header, first.header),
                                  "is another sweep's than in " + first.file + ", allowed: parts of one sweep"));
        else if (const auto [there, is_new] = seen.emplace(part.shard.index, part.file); !is_new)
            problems.push_back(at(part.file, "shard", fmt::format("found part {} of {}, which is {} already, allowed: every part once",
                                                                  part.shard.index, part.shard.count, there->second)));
        lines.merge(part.lines);
    }
    std::string missing;
    for (std::uint32_t i = 0; i < first.shard.count; ++i)
        if (!seen.contains(i)) missing += (missing.empty() ? "" : ", ") + std::to_string(i);
    if (!missing.empty())
        problems.push_back(at("", "shard", fmt::format("found no part {} of {} (parts count from 0), allowed: all of them", missing,
                                                       first.shard.count)));
    if (problems.empty() && lines.size() != first.header.value("configurations", std::size_t{0}))
        problems.push_back(at(first.file, "configurations", fmt::format("found {} in all parts together, allowed: all {}", lines.size(),
                                                                        first.header["configurations"].dump())));
    if (!problems.empty()) return problems;
    std::string out = first.header.dump() + "\n";
    for (const auto& [index, line] : lines) out += line;
    return out;
}

}  // namespace windtunnel
