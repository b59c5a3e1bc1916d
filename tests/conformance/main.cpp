#include "conformance/conformance.hpp"

#include <cmath>
#include <fstream>
#include <iostream>
#include <set>

namespace {

using windtunnel::conformance::Case;
using windtunnel::conformance::Json;
using windtunnel::conformance::Runner;
namespace conformance = windtunnel::conformance;

/// Which runner knows the kinds of a schema.
struct Schema {
    const char* name;
    Runner run;
};
constexpr Schema schemas[] = {
    {"hpa_replica_calculator/v1", conformance::run_hpa_replica_calculator},
    {"hpa_group_pods/v1", conformance::run_hpa_group_pods},
    {"hpa_behavior/v1", conformance::run_hpa_behavior},
    {"hpa_reconcile/v1", conformance::run_hpa_reconcile},
    {"keda_scale_executor/v1", conformance::run_keda_scale_executor},
    {"keda_cron/v1", conformance::run_keda_cron},
    {"keda_fallback/v1", conformance::run_keda_fallback},
    {"deployment_rolling/v1", conformance::run_deployment_rolling},
    {"pdb_status/v1", conformance::run_pdb_status},
    {"ca_binpacking/v1", conformance::run_ca_binpacking},
    {"ca_scaledown_backoff/v1", conformance::run_ca_scaledown_backoff},
    {"karpenter_budgets/v1", conformance::run_karpenter_budgets},
    {"karpenter_provisioning/v1", conformance::run_karpenter_provisioning},
};

bool is_list_of_strings(const Json& value) {
    return value.is_array() && !value.empty() &&
           std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_string(); });
}

/// Lists of names are sets; numbers may differ by the case's tolerance; objects need only agree on the
/// keys that are expected.
bool agree(const Json& expected, const Json& got, double relative_tolerance) {
    if (expected.is_null() && got.is_array()) return got.empty();
    if (is_list_of_strings(expected) && is_list_of_strings(got))
        return std::set<Json>(expected.begin(), expected.end()) == std::set<Json>(got.begin(), got.end());
    if (expected.is_array() && got.is_array()) {
        if (expected.size() != got.size()) return false;
        for (std::size_t i = 0; i < expected.size(); ++i)
            if (!agree(expected[i], got[i], relative_tolerance)) return false;
        return true;
    }
    if (expected.is_object() && got.is_object()) {
        for (const auto& [key, value] : expected.items())
            if (!got.contains(key) || !agree(value, got[key], relative_tolerance)) return false;
        return true;
    }
    if (relative_tolerance > 0 && expected.is_number() && got.is_number()) {
        const double a = expected.get<double>(), b = got.get<double>();
        return std::abs(a - b) <= relative_tolerance * std::abs(a);
    }
    return expected == got;
}

/// Whether the answer has everything that is expected; a failed computation has nothing but its error.
bool passes(const Json& expected, const Json& got) {
    const double tolerance = conformance::value_or(expected, "relative_tolerance", 0.0);
    const bool failed = conformance::value_or(got, "error", false);
    for (const auto& [key, value] : expected.items()) {
        if (key == "relative_tolerance" || (key == "error" && value.is_null())) continue;
        if (key == "error_contains" ? !failed
            : key == "error"        ? failed != (value.is_string() || value.get<bool>())
                                    : !got.contains(key) || !agree(value, got[key], tolerance))
            return false;
    }
    return true;
}

/// The first value that is given and was not looked at, as a path; empty where there is none.
std::string find_unread(const Json& value, const std::string& path) {
    if (value.is_primitive())
        return value.is_null() || conformance::looked_at().contains(&value) ? std::string() : path;
    for (const auto& item : value.items()) {
        std::string below = find_unread(item.value(), value.is_array() ? path + "[" + item.key() + "]"
                                                      : path.empty()   ? item.key()
                                                                       : path + "." + item.key());
        if (!below.empty()) return below;
    }
    return {};
}

struct Tally {
    int passed = 0, failed = 0;
};

void fail(Tally& tally, const std::string& id, const std::string& text) {
    ++tally.failed;
    std::cout << id << ": " << text << '\n';
}

void run_case(Runner run, const Json& file, const Json& item, Tally& tally) {
    const std::string id = item.at("id").get<std::string>();
    const Case one{item.at("kind").get<std::string>(), item.at("input"), item.at("expected"), file};
    conformance::looked_at().clear();
    try {
        const std::optional<Json> got = run != nullptr ? run(one) : std::nullopt;
        if (!got)
            fail(tally, id, "unknown kind '" + one.kind + "'");
        else if (const std::string unread = find_unread(one.input, ""); !unread.empty())
            fail(tally, id, "(" + one.kind + ") input '" + unread + "' is known to no runner");
        else if (passes(one.expected, *got))
            ++tally.passed;
        else
            fail(tally, id, "(" + one.kind + ") expected " + one.expected.dump() + ", got " + got->dump());
    } catch (const std::exception& error) {
        fail(tally, id, "(" + one.kind + ") cannot be run: " + error.what());
    }
}

/// False where the file cannot be read as a file of cases.
bool run_file(const std::string& path, Tally& tally) {
    try {
        std::ifstream stream(path);
        if (!stream) throw std::runtime_error("cannot be opened");
        const Json file = Json::parse(stream);
        const std::string name = file.at("schema").get<std::string>();
        Runner run = nullptr;
        for (const Schema& schema : schemas)
            if (schema.name == name) run = schema.run;
        for (const Json& item : file.at("cases")) run_case(run, file, item, tally);
        return true;
    } catch (const std::exception& error) {
        std::cerr << path << ": " << error.what() << '\n';
        return false;
    }
}

}  // namespace

std::unordered_set<const Json*>& conformance::looked_at() {
    static std::unordered_set<const Json*> addresses;
    return addresses;
}

/// windtunnel_conformance FILE.json…: exit 0 all passed, 1 some failed or of unknown kind, 2 unreadable.
int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: windtunnel_conformance FILE.json...\n";
        return 2;
    }
    Tally tally;
    bool readable = true;
    for (int i = 1; i < argc; ++i) readable = run_file(argv[i], tally) && readable;
    std::cout << tally.passed << " passed, " << tally.failed << " failed\n";
    if (!readable) return 2;
    return tally.failed == 0 ? 0 : 1;
}
