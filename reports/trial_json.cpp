#include "reports/trial_json.hpp"

#include <nlohmann/json.hpp>
#include <type_traits>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

// One function per struct names its members. A structured binding takes all of them: a member that is added later
// does not compile until it stands here as well.

template <class Visit>
void each_member(auto& n, Visit&& visit, const WideSum*) {
    auto& [low, high] = n;
    visit("low", low), visit("high", high);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const RequestCounts*) {
    auto& [arrived, completed, rejected, timed_out, failed, unfinished] = n;
    visit("arrived", arrived), visit("completed", completed), visit("rejected", rejected);
    visit("timed_out", timed_out), visit("failed", failed), visit("unfinished", unfinished);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const LatencyNumbers*) {
    auto& [mean, p50, p90, p99, p999] = n;
    visit("mean", mean), visit("p50", p50), visit("p90", p90), visit("p99", p99), visit("p99.9", p999);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const PoolNumbers*) {
    auto& [node_hours, micro_usd, nodes_most, minimum_extra, unused_micro_usd, gpu_hours, launched, noticed, taken,
           noticed_gpu_s, fallback_s] = n;
    visit("node_hours", node_hours), visit("micro_usd", micro_usd);
    visit("nodes_most", nodes_most), visit("minimum_extra", minimum_extra);
    visit("unused_micro_usd", unused_micro_usd), visit("gpu_hours", gpu_hours), visit("launched", launched);
    visit("noticed", noticed), visit("taken", taken), visit("noticed_gpu_s", noticed_gpu_s);
    visit("fallback_s", fallback_s);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const AttemptNumbers*) {
    auto& [attempts, retried, redelivered, dead_lettered, errors, wrong_answers, lost, lost_prompt_tokens,
           lost_output_tokens, duplicate_prompt_tokens, duplicate_output_tokens, lost_s, duplicate_s, longest_hold_s] = n;
    visit("attempts", attempts), visit("retried", retried), visit("redelivered", redelivered);
    visit("dead_lettered", dead_lettered), visit("errors", errors), visit("wrong_answers", wrong_answers);
    visit("lost", lost), visit("lost_prompt_tokens", lost_prompt_tokens);
    visit("lost_output_tokens", lost_output_tokens), visit("duplicate_prompt_tokens", duplicate_prompt_tokens);
    visit("duplicate_output_tokens", duplicate_output_tokens), visit("lost_s", lost_s);
    visit("duplicate_s", duplicate_s), visit("longest_hold_s", longest_hold_s);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const PrefillNumbers*) {
    auto& [remote, local, transfers, failures, bytes, prefill_ms, wait_ms, transfer_ms, decode_ms] = n;
    visit("remote", remote), visit("local", local), visit("transfers", transfers), visit("failures", failures);
    visit("bytes", bytes), visit("prefill_ms", prefill_ms), visit("wait_ms", wait_ms);
    visit("transfer_ms", transfer_ms), visit("decode_ms", decode_ms);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const Tick*) {
    auto& [count] = n;
    visit("ticks", count);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const AlertEpisode*) {
    auto& [from, to] = n;
    visit("from", from), visit("to", to);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const AlertTally*) {
    auto& [episodes, series_fired, failed_evaluations, firing, fires_since, kept] = n;
    visit("episodes", episodes), visit("series_fired", series_fired), visit("failed_evaluations", failed_evaluations);
    visit("firing", firing), visit("fires_since", fires_since), visit("kept", kept);
}

template <class Visit>
void each_member(auto& n, Visit&& visit, const TrialNumbers*) {
    auto& [requests, prompt_tokens, output_tokens, good, attempts, ttft, tpot, itl, e2el, request_throughput,
           output_throughput, total_token_throughput, request_goodput, replicas_mean, nodes_mean, replicas_max,
           nodes_max, cold_starts, spot_evictions, kv_preemptions, prefix_queries, prefix_hits, prefill, degraded_minutes, gpu_busy_ratio,
           gpu_hours, pools, node_use, thresholds, alerts] = n;
    visit("requests", requests), visit("prompt_tokens", prompt_tokens), visit("output_tokens", output_tokens);
    visit("good", good), visit("attempts", attempts), visit("ttft", ttft), visit("tpot", tpot), visit("itl", itl);
    visit("e2el", e2el), visit("request_throughput", request_throughput);
    visit("output_throughput", output_throughput), visit("total_token_throughput", total_token_throughput);
    visit("request_goodput", request_goodput), visit("replicas_mean", replicas_mean);
    visit("nodes_mean", nodes_mean), visit("replicas_max", replicas_max), visit("nodes_max", nodes_max);
    visit("cold_starts", cold_starts), visit("spot_evictions", spot_evictions);
    visit("kv_preemptions", kv_preemptions), visit("degraded_minutes", degraded_minutes);
    visit("gpu_busy_ratio", gpu_busy_ratio), visit("gpu_hours", gpu_hours), visit("pools", pools);
    visit("node_use", node_use), visit("thresholds", thresholds), visit("prefill", prefill);
    visit("prefix_queries", prefix_queries), visit("prefix_hits", prefix_hits), visit("alerts", alerts);
}

template <class T>
Json written(const std::optional<T>& value);
template <class T>
Json written(const std::vector<T>& values);
template <class T, std::size_t N>
Json written(const T (&values)[N]);
template <class T>
bool read(const Json& json, std::optional<T>& into);
template <class T>
bool read(const Json& json, std::vector<T>& into);
template <class T, std::size_t N>
bool read(const Json& json, T (&into)[N]);

template <class T>
Json written(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
        return value;
    } else {
        Json out = Json::object();
        each_member(
            value, [&](const char* name, const auto& member) { out[name] = written(member); }, &value);
        return out;
    }
}
template <class T>
Json written(const std::optional<T>& value) {
    return value ? written(*value) : Json(nullptr);
}
template <class T>
Json written(const std::vector<T>& values) {
    Json out = Json::array();
    for (const T& v : values) out.push_back(written(v));
    return out;
}
template <class T, std::size_t N>
Json written(const T (&values)[N]) {
    Json out = Json::array();
    for (const T& v : values) out.push_back(written(v));
    return out;
}

template <class T>
bool read(const Json& json, T& into) {
    if constexpr (std::is_arithmetic_v<T>) {
        const bool fits = std::is_floating_point_v<T> ? json.is_number_float()
                          : std::is_unsigned_v<T>     ? json.is_number_unsigned()
                                                      : json.is_number_integer();
        if (fits) into = json.get<T>();
        return fits;
    } else {
        bool good = json.is_object();
        each_member(
            into,
            [&](const char* name, auto& member) {
                const auto at = good ? json.find(name) : json.end();
                good = good && at != json.end() && read(*at, member);
            },
            &into);
        return good;
    }
}
template <class T>
bool read(const Json& json, std::optional<T>& into) {
    into.reset();
    return json.is_null() || read(json, into.emplace());
}
template <class T>
bool read(const Json& json, std::vector<T>& into) {
    if (!json.is_array()) return false;
    for (const Json& item : json)
        if (!read(item, into.emplace_back())) return false;
    return true;
}
template <class T, std::size_t N>
bool read(const Json& json, T (&into)[N]) {
    if (!json.is_array() || json.size() != N) return false;
    for (std::size_t i = 0; i < N; ++i)
        if (!read(json[i], into[i])) return false;
    return true;
}

}  // namespace

nlohmann::ordered_json trial_json(const TrialNumbers& numbers) { return written(numbers); }

std::optional<TrialNumbers> trial_of_json(const nlohmann::ordered_json& json) {
    TrialNumbers out;
    if (!read(json, out)) return std::nullopt;
    return out;
}

}  // namespace windtunnel
