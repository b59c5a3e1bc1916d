#pragma once
#include "models/time.hpp"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>

/// The conformance program: cases that Kubernetes, KEDA, Karpenter and cluster-autoscaler hold themselves
/// to, as JSON, run against policies/. One file per schema turns a case into calls of the policy and its
/// answers back into JSON; main.cpp compares.
namespace windtunnel::conformance {

using Json = nlohmann::json;

/// One case within its file (which holds defaults and catalogues).
struct Case {
    std::string kind;
    const Json& input;
    const Json& expected;  ///< read only by kinds whose operations stand there
    const Json& file;
};

/// What the policy says, by the names of the expected keys. A failed computation sets "error" to true.
/// Nothing for a kind that the schema's runner does not know.
using Runner = std::optional<Json> (*)(const Case&);

std::optional<Json> run_hpa_replica_calculator(const Case&);
std::optional<Json> run_hpa_group_pods(const Case&);
std::optional<Json> run_hpa_behavior(const Case&);
std::optional<Json> run_hpa_reconcile(const Case&);
std::optional<Json> run_keda_scale_executor(const Case&);
std::optional<Json> run_keda_cron(const Case&);
std::optional<Json> run_keda_fallback(const Case&);
std::optional<Json> run_deployment_rolling(const Case&);
std::optional<Json> run_pdb_status(const Case&);
std::optional<Json> run_ca_binpacking(const Case&);
std::optional<Json> run_ca_scaledown_backoff(const Case&);
std::optional<Json> run_karpenter_budgets(const Case&);
std::optional<Json> run_karpenter_provisioning(const Case&);

/// The values of the present case that a runner has looked at, by address. What a case gives and no runner
/// looks at would be decided without: main.cpp counts such a case as failed.
std::unordered_set<const Json*>& looked_at();

/// The key's value, marked as looked at; null where it is absent (null in a case = not set).
inline const Json& field(const Json& object, const char* key) {
    static const Json nothing;
    if (object.is_null()) return nothing;
    const auto found = object.find(key);  // throws nothing for other types: end()
    if (found == object.end()) return nothing;
    looked_at().insert(&*found);
    return *found;
}

/// Marks keys that bear on no decision: names, notes, what another key already says.
inline void skip(const Json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys) field(object, key);
}

/// Whether a key is given and not null.
inline bool given(const Json& object, const char* key) { return !field(object, key).is_null(); }

/// A number may stand as a number or its text, a truth as true, "true" or a number that is not 0.
template <class T>
T read(const Json& value) {
    if constexpr (std::is_same_v<T, bool>) {
        if (value.is_number()) return value.get<double>() != 0.0;
        if (value.is_string()) return value == "true" || value == "True";
    } else if constexpr (std::is_arithmetic_v<T>) {
        if (value.is_string()) return Json::parse(value.get_ref<const std::string&>()).get<T>();
    }
    return value.get<T>();
}

/// The key's value, or `fallback` where it is absent or null.
template <class T>
T value_or(const Json& object, const char* key, T fallback) {
    const Json& value = field(object, key);
    return value.is_null() ? fallback : read<T>(value);
}

/// The key's value; a case without it cannot be run.
template <class T>
T required(const Json& object, const char* key) {
    if (!given(object, key)) throw std::runtime_error(std::string("found no ") + key);
    return read<T>(field(object, key));
}

/// The key's list, empty where it is absent or null; numbers in it count as looked at.
inline const Json& list(const Json& object, const char* key) {
    static const Json nothing = Json::array();
    const Json& value = field(object, key);
    if (value.is_null()) return nothing;
    if (!value.is_array()) throw std::runtime_error(std::string("found no list as ") + key);
    for (const Json& item : value)
        if (item.is_primitive()) looked_at().insert(&item);
    return value;
}

/// Seconds relative to now as a tick. Stamps beyond 10^7 s ("very long ago") are all equal.
inline Tick ticks(double seconds_from_now) {
    constexpr double far = 1e7;
    return from_seconds(seconds_from_now < -far ? -far : seconds_from_now > far ? far : seconds_from_now);
}
inline Tick ticks_or(const Json& object, const char* key, double fallback) {
    return ticks(value_or(object, key, fallback));
}

}  // namespace windtunnel::conformance
