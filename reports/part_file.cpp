#include "reports/part_file.hpp"

#include "models/expects.hpp"
#include "models/version.hpp"
#include "reports/trial_json.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;
constexpr const char* schema = "windtunnel.part/v1";

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Problem at(const std::string& file, const std::string& path, const std::string& message, std::int32_t line = 0) {
    return {{file, line, 0}, path, message};
}

Json position_json(const SourcePosition& p) { return Json::array({p.file, p.line, p.column}); }

Json head_json(const PartHead& head) {
    const RunResults& r = head.run;
    // What is added to a run does not compile until it is written and read here, or is known not to be needed.
    [[maybe_unused]] const auto& [scenario_, hash_, seed_, first_, backend_, complete_, span_, goodput_, pools_, workloads_, accounts_,
                                  thresholds_, alerts_, warnings_, trials_, cluster_, sections_] = r;
    Json out, alerts = Json::array(), pools = Json::array(), workloads = Json::array(), accounts = Json::array(), thresholds = Json::array(), warnings = Json::array();
    for (const PoolLabel& p : r.pools) pools.push_back(Json::array({p.pool, p.capacity_type, p.instance_type, static_cast<int>(p.shares)}));
    for (const WorkloadLabel& w : r.workloads) workloads.push_back(Json::array({w.target, w.name_space, w.model, w.tenant}));
    for (const AccountLabel& a : r.accounts) accounts.push_back(Json::array({a.tenant, a.workload}));
    for (const Threshold& t : r.thresholds) thresholds.push_back(t.expression);
    for (const AlertLabel& a : r.alerts)
        alerts.push_back(Json::array({a.name, a.group, a.severity, a.index, a.not_evaluated}));
    for (const Problem& w : r.warnings)
        warnings.push_back(Json::array({position_json(w.where), w.path, w.message}));
    out["schema"] = schema;
    out["version"] = head.version;
    out["shard"] = head.shard ? Json{{"index", head.shard->index}, {"count", head.shard->count}} : Json(nullptr);
    out["trials"] = head.trials ? Json(*head.trials) : Json(nullptr);
    out["scenario"] = Json{{"name", r.scenario}, {"hash", fmt::format("{:016x}", r.hash)}};
    out["seed"] = r.seed;
    out["first_trial"] = r.first_trial;
    out["backend"] = r.backend;
    out["span_s"] = r.span_s;
    out["has_goodput"] = r.has_goodput;
    out["pools"] = std::move(pools);
    out["workloads"] = std::move(workloads);
    out["accounts"] = std::move(accounts);
    out["thresholds"] = std::move(thresholds);
    out["alerts"] = std::move(alerts);
    out["warnings"] = std::move(warnings);
    return out;
}

/// Throws nlohmann's exceptions where something is missing or of another kind.
PartHead head_of(const Json& json) {
    PartHead out;
    RunResults& r = out.run;
    out.version = json.at("version").get<std::string>();
    if (const Json& shard = json.at("shard"); !shard.is_null())
        out.shard = Shard{shard.at("index").get<std::uint32_t>(), shard.at("count").get<std::uint32_t>()};
    if (const Json& trials = json.at("trials"); !trials.is_null()) out.trials = trials.get<std::uint32_t>();
    r.scenario = json.at("scenario").at("name").get<std::string>();
    r.hash = std::stoull(json.at("scenario").at("hash").get<std::string>(), nullptr, 16);
    r.seed = json.at("seed").get<std::uint64_t>();
    r.first_trial = json.at("first_trial").get<std::uint32_t>();
    r.backend = json.at("backend").get<std::string>();
    r.span_s = json.at("span_s").get<double>();
    r.has_goodput = json.at("has_goodput").get<bool>();
    const auto word = [](const Json& row, std::size_t i) { return row.at(i).get<std::string>(); };
    for (const Json& p : json.at("pools")) {
        r.pools.push_back({word(p, 0), word(p, 1), word(p, 2), CostShares::nobody});
        const int shares = p.at(3).get<int>();
        if (shares < 0 || shares > static_cast<int>(CostShares::tokens)) throw std::invalid_argument("a cost that is shared out in no known way");
        r.pools.back().shares = static_cast<CostShares>(shares);
    }
    for (const Json& w : json.at("workloads")) r.workloads.push_back({word(w, 0), word(w, 1), word(w, 2), word(w, 3)});
    for (const Json& a : json.at("accounts")) {
        r.accounts.push_back({a.at(1).get<std::uint32_t>(), word(a, 0)});
        if (r.accounts.back().workload >= r.workloads.size()) throw std::invalid_argument("an account of no workload");
    }
    for (const Json& a : json.at("alerts"))
        r.alerts.push_back({word(a, 0), word(a, 1), word(a, 2), a.at(3).get<std::int32_t>(), word(a, 4)});
    for (const Json& w : json.at("warnings"))
        r.warnings.push_back({{word(w.at(0), 0), w.at(0).at(1).get<std::int32_t>(), w.at(0).at(2).get<std::int32_t>()},
                              word(w, 1),
                              word(w, 2)});
    for (const Json& t : json.at("thresholds")) {
        Result<Threshold> threshold = parse_threshold(t.get<std::string>());
        if (!threshold) throw std::invalid_argument(to_string(threshold.problems().front()));
        r.thresholds.push_back(std::move(*threshold));
    }
    return out;
}

/// Takes one line after the head; false when it is not what such a line holds.
bool take_line(const Json& json, Part& part) {
    if (const auto end = json.find("end"); end != json.end()) {
        if (!end->is_number_unsigned() || end->get<std::uint64_t>() != part.trials.size()) return false;
        if (const auto sections = json.find("sections"); sections != json.end()) part.sections = sections->dump();
        part.complete = true;
        return true;
    }
    const auto place = json.find("trial"), numbers = json.find("numbers");
    if (place == json.end() || numbers == json.end() || !place->is_number_unsigned()) return false;
    std::optional<TrialNumbers> read = trial_of_json(*numbers);
    if (!read || read->pools.size() != part.head.run.pools.size() ||
        read->thresholds.size() != part.head.run.thresholds.size() ||
        std::any_of(part.head.run.alerts.begin(), part.head.run.alerts.end(),
                    [&](const AlertLabel& a) { return a.index >= static_cast<std::int32_t>(read->alerts.size()); }))
        return false;
    return part.trials.emplace(place->get<std::uint32_t>(), std::move(*read)).second && !part.complete;
}

std::string spoken(const std::optional<Shard>& shard) {
    return shard ? fmt::format("part {} of {}", shard->index, shard->count) : "a whole run";
}

}  // namespace

Result<Shard> parse_shard(const std::string& text) {
    Shard out;
    const char *begin = text.data(), *end = begin + text.size();
    const auto first = std::from_chars(begin, end, out.index);
    if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '/') {
        const auto second = std::from_chars(first.ptr + 1, end, out.count);
        if (second.ec == std::errc{} && second.ptr == end && out.index < out.count && out.count <= 1'000'000) return out;
    }
    return at("", "--shard", "found '" + text + "', allowed: i/N, the i-th of N parts, from 0/N to (N-1)/N");
}

std::string part_head_line(const PartHead& head) { return line_of(head_json(head)); }

std::string part_trial_line(std::uint32_t place, const TrialNumbers& numbers) {
    return line_of(Json{{"trial", place}, {"numbers", trial_json(numbers)}});
}

std::string part_text(const Part& part) {
    std::string out = part_head_line(part.head);
    for (const auto& [place, numbers] : part.trials) out += part_trial_line(place, numbers);
    Json end{{"end", part.trials.size()}};
    if (!part.sections.empty()) end["sections"] = Json::parse(part.sections);
    return out + line_of(end);
}

Result<Part> read_part(const std::string& file) {
    constexpr const char* allowed = "allowed: a part of a run (`windtunnel run --shard i/N --out FILE`)";
    std::ifstream in(file, std::ios::binary);
    if (!in) return at(file, "", std::string("cannot be read, ") + allowed);
    Part part;
    part.file = file;
    std::int32_t number = 0;
    for (std::string line; std::getline(in, line);) {
        if (in.eof()) break;  // without its newline: cut off when the program was stopped
        ++number;
        const Json json = Json::parse(line, nullptr, false);
        if (number == 1) {
            if (!json.is_object() || json.value("schema", "") != schema)
                return at(file, "schema", std::string("found no part of a run, ") + allowed, 1);
            try {
                part.head = head_of(json);
            } catch (const std::exception& e) {
                return at(file, "", std::string("found a broken first line (") + e.what() + "), " + allowed, 1);
            }
        } else if (!json.is_object() || !take_line(json, part)) {
            return at(file, "", "found a line that no part of a run holds there, allowed: the file as it was written",
                      number);
        }
        if (!part.complete) part.sound_bytes += line.size() + 1;
    }
    if (number == 0) return at(file, "", std::string("found nothing, ") + allowed);
    return part;
}

Problems foreign_to(const PartHead& head, const Part& part) {
    Problems problems;
    const auto compare = [&](const char* what, const std::string& found, const std::string& wanted) {
        if (found != wanted)
            problems.push_back(at(part.file, what, "found " + found + ", which is another run's, allowed: " + wanted));
    };
    const RunResults &a = part.head.run, &b = head.run;
    compare("version", part.head.version, head.version);
    compare("scenario.hash", fmt::format("{:016x} ({})", a.hash, a.scenario),
            fmt::format("{:016x} ({})", b.hash, b.scenario));
    compare("seed", std::to_string(a.seed), std::to_string(b.seed));
    compare("first_trial", std::to_string(a.first_trial), std::to_string(b.first_trial));
    compare("backend", a.backend, b.backend);
    const auto parts = [](const PartHead& h) { return h.shard ? std::to_string(h.shard->count) + " parts" : "a whole run"; };
    compare("shard.count", parts(part.head), parts(head));
    const auto trials = [](const PartHead& h) { return h.trials ? std::to_string(*h.trials) : "any number"; };
    compare("trials", trials(part.head), trials(head));
    return problems;
}

Result<RunResults> merge_parts(std::vector<Part> parts) {
    WT_EXPECTS(!parts.empty());
    Problems problems;
    std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
        return a.head.shard.value_or(Shard{}).index < b.head.shard.value_or(Shard{}).index;
    });
    PartHead& head = parts.front().head;
    if (head.version != version)
        problems.push_back(at(parts.front().file, "version",
                              "found " + head.version + ", allowed: " + version + ", this program's"));
    const std::uint32_t count = head.shard ? head.shard->count : 1;
    std::vector<const Part*> by_index(count, nullptr);
    std::map<std::uint32_t, TrialNumbers> trials;
    std::string sections;
    for (Part& part : parts) {
        if (Problems foreign = foreign_to(head, part); !foreign.empty()) {
            problems.insert(problems.end(), foreign.begin(), foreign.end());
            continue;
        }
        const Part*& slot = by_index[part.head.shard.value_or(Shard{}).index];
        if (slot != nullptr)
            problems.push_back(at(part.file, "shard", "found " + spoken(part.head.shard) + ", which is " + slot->file +
                                                          " already, allowed: every part once"));
        slot = &part;
        if (!part.complete)
            problems.push_back(at(part.file, "",
                                  fmt::format("found only {} trials of {}: it was stopped, allowed: complete parts; the "
                                              "command that wrote it goes on from there",
                                              part.trials.size(), spoken(part.head.shard))));
        if (!part.sections.empty()) sections = part.sections;
        trials.merge(part.trials);
    }
    std::string missing;
    for (std::uint32_t i = 0; i < count; ++i)
        if (by_index[i] == nullptr) missing += (missing.empty() ? "" : ", ") + std::to_string(i);
    if (!missing.empty())
        problems.push_back(at("", "shard", fmt::format("found no part {} of {} (parts count from 0), allowed: all of them",
                                                       missing, count)));
    const std::uint32_t wanted = head.trials.value_or(static_cast<std::uint32_t>(trials.size()));
    if (problems.empty() &&
        (trials.size() != wanted || (wanted > 0 && trials.rbegin()->first != wanted - 1)))
        problems.push_back(at(parts.front().file, "trials",
                              fmt::format("found {} trials in all parts together, allowed: all {}", trials.size(), wanted)));
    if (!problems.empty()) return problems;
    RunResults out = std::move(head.run);
    out.cluster_sections = std::move(sections);
    for (auto& [place, numbers] : trials) out.trials.push_back(std::move(numbers));
    return out;
}

}  // namespace windtunnel
