#pragma once
#include "models/time.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

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

/// Whether a key is given and not null.
inline bool given(const Json& object, const char* key) {
    return object.contains(key) && !object[key].is_null();
}

/// The key's value, or `fallback` where it is absent or null.
template <class T>
T value_or(const Json& object, const char* key, T fallback) {
    return given(object, key) ? object[key].get<T>() : fallback;
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
