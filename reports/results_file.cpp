#include "reports/comparison.hpp"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

Problem wrong(const std::string& file, const std::string& path, const std::string& message) {
    return {{file, 0, 0}, path, message};
}

const Json* find(const Json& json, const char* key) {
    if (!json.is_object()) return nullptr;
    const auto at = json.find(key);
    return at == json.end() ? nullptr : &*at;
}

std::optional<double> number_of(const Json* json) {
    if (json == nullptr || !json->is_number()) return std::nullopt;
    return json->get<double>();
}

/// What a file of a single trial says of a compared metric: the numbers that stand in its sections.
std::optional<double> single_value(const Json& root, const std::string& name) {
    if (name == "availability") {
        const Json* requests = find(root, "requests");
        if (requests == nullptr) return std::nullopt;
        const auto arrived = number_of(find(*requests, "arrived")), completed = number_of(find(*requests, "completed"));
        if (!arrived || !completed || *arrived == 0) return std::nullopt;
        return *completed / *arrived;
    }
    for (const char* section : {"latency", "throughput", "capacity"})
        if (const Json* part = find(root, section))
            if (const auto value = number_of(find(*part, name.c_str()))) return value;
    return std::nullopt;
}

Problems read_per_trial(const std::string& file, const Json& rows, TrialSeries& out) {
    Problems problems;
    const Json* first = find(rows, "first_trial");
    if (first == nullptr || !first->is_number_unsigned())
        return {wrong(file, "per_trial.first_trial", "found none, allowed: the number of a trial")};
    out.first_trial = first->get<std::uint32_t>();
    for (const ComparedMetric& m : compared_metrics()) {
        const Json* row = find(rows, m.name);
        if (row == nullptr) continue;
        if (!row->is_array()) {
            problems.push_back(wrong(file, std::string("per_trial.") + m.name, "found no list, allowed: one number per trial"));
            continue;
        }
        std::vector<std::optional<double>>& values = out.values[m.name];
        for (const Json& v : *row) values.push_back(number_of(&v));
    }
    return problems;
}

}  // namespace

Result<TrialSeries> read_results_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return wrong(file, "", "cannot be read, allowed: a results file (`windtunnel run --out FILE`)");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const Json root = Json::parse(text, nullptr, false);
    if (root.is_discarded()) return wrong(file, "", "found no JSON, allowed: a results file (`windtunnel run --out FILE`)");
    const Json* schema = find(root, "schema");
    if (schema == nullptr || *schema != "windtunnel.results/v1")
        return wrong(file, "schema", "found " + (schema ? schema->dump() : std::string("none")) + ", allowed: \"windtunnel.results/v1\"");
    const Json *seed = find(root, "seed"), *trials = find(root, "trials"), *scenario = find(root, "scenario"),
               *complete = find(root, "complete");
    if (seed == nullptr || !seed->is_number_unsigned() || trials == nullptr || !trials->is_number_unsigned())
        return wrong(file, "seed", "found no seed and number of trials, allowed: a results file (`windtunnel run --out FILE`)");
    TrialSeries out;
    out.seed = seed->get<std::uint64_t>();
    out.trials = trials->get<std::size_t>();
    out.complete = complete == nullptr || !complete->is_boolean() || complete->get<bool>();
    if (scenario != nullptr && scenario->is_object()) {
        out.scenario = scenario->value("name", "");
        out.hash = scenario->value("hash", "");
    }
    if (const Json* rows = find(root, "per_trial")) {
        if (Problems problems = read_per_trial(file, *rows, out); !problems.empty()) return problems;
    } else if (out.trials == 1) {
        for (const ComparedMetric& m : compared_metrics())
            if (const auto value = single_value(root, m.name)) out.values[m.name] = {value};
    } else {
        return wrong(file, "per_trial", "found none, allowed: results that list their trials (from this version's `run --trials`)");
    }
    return out;
}

}  // namespace windtunnel
