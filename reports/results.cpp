#include "reports/results.hpp"

#include "models/expects.hpp"
#include "reports/money.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

double milliseconds_of(double ticks) { return ticks / static_cast<double>(ticks_per_millisecond); }

LatencyNumbers latency_of(const Distribution& d) {
    if (d.totals.count == 0) return {};
    const auto at = [&](double q) { return to_milliseconds(d.quantile(q)); };
    return {milliseconds_of(d.mean_ticks()), at(0.5), at(0.9), at(0.99), at(0.999)};
}

std::optional<double> per(double amount, double of) {
    if (of <= 0) return std::nullopt;
    return amount / of;
}

/// Where results/v1 shows what.
struct Row {
    const char* section;
    const char* key;
    std::uint64_t (*count)(const TrialNumbers&);
    std::optional<double> (*value)(const TrialNumbers&);
};

#define WT_COUNT(section, key, member)                                                         \
    {                                                                                          \
        section, key, [](const TrialNumbers& t) -> std::uint64_t { return t.member; }, nullptr \
    }
#define WT_VALUE(section, key, member)                                                                 \
    {                                                                                                  \
        section, key, nullptr, [](const TrialNumbers& t) -> std::optional<double> { return t.member; } \
    }
#define WT_LARGEST(section, key, member)                                                                 \
    {                                                                                                    \
        section, key, nullptr,                                                                           \
            [](const TrialNumbers& t) -> std::optional<double> { return static_cast<double>(t.member); } \
    }
#define WT_LATENCY(name)                                                                                    \
    WT_VALUE("latency", "mean_" #name "_ms", name.mean), WT_VALUE("latency", "p50_" #name "_ms", name.p50), \
        WT_VALUE("latency", "p90_" #name "_ms", name.p90),                                                  \
        WT_VALUE("latency", "p99_" #name "_ms", name.p99),                                                  \
        WT_VALUE("latency", "p99.9_" #name "_ms", name.p999)

constexpr Row result_rows[] = {
    WT_COUNT("requests", "arrived", requests.arrived),
    WT_COUNT("requests", "completed", requests.completed),
    WT_COUNT("requests", "rejected", requests.rejected),
    WT_COUNT("requests", "timed_out", requests.timed_out),
    WT_COUNT("requests", "failed", requests.failed),
    WT_COUNT("requests", "unfinished", requests.unfinished),
    WT_COUNT("attempts", "attempts", attempts.attempts),
    WT_COUNT("attempts", "retried", attempts.retried),
    WT_COUNT("attempts", "redelivered", attempts.redelivered),
    WT_COUNT("attempts", "dead_lettered", attempts.dead_lettered),
    WT_COUNT("attempts", "errors", attempts.errors),
    WT_COUNT("attempts", "wrong_answers", attempts.wrong_answers),
    WT_COUNT("attempts", "lost", attempts.lost),
    WT_COUNT("attempts", "lost_prompt_tokens", attempts.lost_prompt_tokens),
    WT_COUNT("attempts", "lost_output_tokens", attempts.lost_output_tokens),
    WT_VALUE("attempts", "lost_s", attempts.lost_s),
    WT_COUNT("attempts", "duplicate_prompt_tokens", attempts.duplicate_prompt_tokens),
    WT_COUNT("attempts", "duplicate_output_tokens", attempts.duplicate_output_tokens),
    WT_VALUE("attempts", "duplicate_s", attempts.duplicate_s),
    WT_VALUE("attempts", "longest_hold_s", attempts.longest_hold_s),
    WT_COUNT("prefix_cache", "queried_tokens", prefix_queries),
    WT_COUNT("prefix_cache", "hit_tokens", prefix_hits),
    WT_COUNT("tokens", "prompt", prompt_tokens),
    WT_COUNT("tokens", "output", output_tokens),
    WT_LATENCY(ttft),
    WT_LATENCY(tpot),
    WT_LATENCY(itl),
    WT_LATENCY(e2el),
    WT_VALUE("throughput", "request_throughput", request_throughput),
    WT_VALUE("throughput", "output_throughput", output_throughput),
    WT_VALUE("throughput", "total_token_throughput", total_token_throughput),
    WT_VALUE("throughput", "request_goodput", request_goodput),
    WT_VALUE("capacity", "replicas_mean", replicas_mean),
    WT_LARGEST("capacity", "replicas_max", replicas_max),
    WT_VALUE("capacity", "nodes_mean", nodes_mean),
    WT_LARGEST("capacity", "nodes_max", nodes_max),
    WT_COUNT("capacity", "cold_starts", cold_starts),
    WT_COUNT("capacity", "spot_evictions", spot_evictions),
    WT_COUNT("capacity", "kv_preemptions", kv_preemptions),
    WT_VALUE("capacity", "gpu_busy_ratio", gpu_busy_ratio),
};
/// Rows of a run in which prompts are computed on other servers than those that answer.
constexpr Row prefill_rows[] = {
    WT_VALUE("prefill_decode", "remote_prefills", prefill.remote),
    WT_VALUE("prefill_decode", "local_prefills", prefill.local),
    WT_VALUE("prefill_decode", "kv_transfers", prefill.transfers),
    WT_VALUE("prefill_decode", "kv_failures", prefill.failures),
    WT_VALUE("prefill_decode", "kv_bytes", prefill.bytes),
    WT_VALUE("prefill_decode", "mean_prefill_ms", prefill.prefill_ms),
    WT_VALUE("prefill_decode", "mean_kv_wait_ms", prefill.wait_ms),
    WT_VALUE("prefill_decode", "mean_kv_transfer_ms", prefill.transfer_ms),
    WT_VALUE("prefill_decode", "mean_first_step_ms", prefill.decode_ms),
};

const Distribution* distribution_of(ThresholdMetric metric, const TrialOutcome& o) {
    switch (metric) {
        case ThresholdMetric::ttft_ms:
            return &o.ttft;
        case ThresholdMetric::tpot_ms:
            return &o.tpot;
        case ThresholdMetric::itl_ms:
            return &o.itl;
        case ThresholdMetric::e2el_ms:
            return &o.e2el;
        default:
            return nullptr;
    }
}

/// Times that alerts began to fire, or minutes that they fired: of the rules of one name, or of all.
double of_alerts(const Threshold& threshold, const CompiledScenario& scenario, const TrialOutcome& o) {
    double times = 0, minutes = 0;
    for (const CompiledAlert& a : scenario.alerts) {
        if (a.index < 0 || (!threshold.alert.empty() && a.name != threshold.alert)) continue;
        const AlertTally& tally = o.alerts[static_cast<std::size_t>(a.index)];
        times += static_cast<double>(tally.episodes);
        minutes += to_seconds(tally.firing) / 60;
    }
    return threshold.metric == ThresholdMetric::alerts ? times : minutes;
}

/// What a threshold looks at, in its unit. `span_hours` is what cost is counted over.
std::optional<double> threshold_value(const Threshold& threshold, const CompiledScenario& scenario,
                                      const TrialNumbers& t, const TrialOutcome& o, double span_hours) {
    if (const Distribution* d = distribution_of(threshold.metric, o)) {
        if (d->totals.count == 0) return std::nullopt;
        if (threshold.statistic == Statistic::mean) return milliseconds_of(d->mean_ticks());
        return to_milliseconds(d->quantile(threshold.quantile));
    }
    const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
    const double usd = static_cast<double>(t.micro_usd()) / 1e6;
    switch (threshold.metric) {
        case ThresholdMetric::goodput:
            return per(number(t.good), number(t.requests.arrived));
        case ThresholdMetric::availability:
            return per(number(t.requests.completed), number(t.requests.arrived));
        case ThresholdMetric::request_goodput:
            return t.request_goodput;
        case ThresholdMetric::request_throughput:
            return t.request_throughput;
        case ThresholdMetric::output_throughput:
            return t.output_throughput;
        case ThresholdMetric::total_token_throughput:
            return t.total_token_throughput;
        case ThresholdMetric::cost_per_hour:
            return per(usd, span_hours);
        case ThresholdMetric::cost_per_month:
            return per(usd * hours_per_month, span_hours);
        case ThresholdMetric::cost_total:
            return usd;
        case ThresholdMetric::usd_per_million_output_tokens:
            return per(usd * 1e6, number(t.output_tokens));
        case ThresholdMetric::rejected:
            return number(t.requests.rejected);
        case ThresholdMetric::timed_out:
            return number(t.requests.timed_out);
        case ThresholdMetric::failed:
            return number(t.requests.failed);
        case ThresholdMetric::unfinished:
            return number(t.requests.unfinished);
        case ThresholdMetric::completed:
            return number(t.requests.completed);
        case ThresholdMetric::replicas_mean:
            return t.replicas_mean;
        case ThresholdMetric::replicas_max:
            return number(t.replicas_max);
        case ThresholdMetric::nodes_mean:
            return t.nodes_mean;
        case ThresholdMetric::nodes_max:
            return number(t.nodes_max);
        case ThresholdMetric::cold_starts:
            return number(t.cold_starts);
        case ThresholdMetric::spot_evictions:
            return number(t.spot_evictions);
        case ThresholdMetric::kv_preemptions:
            return number(t.kv_preemptions);
        case ThresholdMetric::gpu_busy_ratio:
            return t.gpu_busy_ratio;
        case ThresholdMetric::alerts:
        case ThresholdMetric::alert_minutes:
            return of_alerts(threshold, scenario, o);
        case ThresholdMetric::degraded_minutes:
            return t.degraded_minutes ? std::optional(number(*t.degraded_minutes)) : std::nullopt;
        default:
            return std::nullopt;
    }
}

template <class Get>
Estimate over_trials(const RunResults& results, Get get) {
    std::vector<std::optional<double>> values;
    values.reserve(results.trials.size());
    for (const TrialNumbers& t : results.trials) values.push_back(get(t));
    return estimate(values);
}

SummaryRow summary_row(const Row& row, const RunResults& results) {
    SummaryRow out{row.section, row.key, row.count != nullptr, {}};
    if (row.value != nullptr) {
        out.estimate = over_trials(results, row.value);
        return out;
    }
    std::uint64_t sum = 0;
    for (const TrialNumbers& t : results.trials) sum += row.count(t);
    out.estimate = over_trials(
        results, [&](const TrialNumbers& t) { return std::optional(static_cast<double>(row.count(t))); });
    out.estimate.value = static_cast<double>(sum);
    if (out.estimate.ci95) {
        const auto n = static_cast<double>(results.trials.size());
        out.estimate.ci95 = {out.estimate.ci95->first * n, out.estimate.ci95->second * n};
    }
    return out;
}

void summarise_cost(const RunResults& results, Summary& out) {
    const auto trials = static_cast<std::int64_t>(results.trials.size());
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        PoolSummary pool;
        pool.node_hours =
            over_trials(results, [&](const TrialNumbers& t) { return std::optional(t.pools[p].node_hours); });
        pool.usd = over_trials(results, [&](const TrialNumbers& t) {
            return std::optional(static_cast<double>(t.pools[p].micro_usd) / 1e6);
        });
        std::int64_t sum = 0;
        for (const TrialNumbers& t : results.trials) sum += t.pools[p].micro_usd;
        if (trials > 0) pool.micro_usd = divided_half_even(sum, trials);
        out.total_micro_usd += pool.micro_usd;
        out.pools.push_back(std::move(pool));
    }
    out.gpu_hours = over_trials(results, [](const TrialNumbers& t) { return std::optional(t.gpu_hours); });
    out.usd = over_trials(results, [](const TrialNumbers& t) {
        return std::optional(static_cast<double>(t.micro_usd()) / 1e6);
    });
    std::int64_t sum = 0, counted = 0;
    for (const TrialNumbers& t : results.trials) {
        if (t.output_tokens == 0) continue;
        sum += micro_usd_per_million(t.micro_usd(), t.output_tokens);
        ++counted;
    }
    if (counted > 0) out.micro_usd_per_million_output_tokens = divided_half_even(sum, counted);
    out.usd_per_million_output_tokens = over_trials(results, [](const TrialNumbers& t) {
        return per(static_cast<double>(t.micro_usd()), static_cast<double>(t.output_tokens));
    });
}

}  // namespace

AlertSummary summarise_alert(const RunResults& results, const AlertLabel& alert) {
    AlertSummary out;
    if (alert.index < 0) return out;
    const auto of = [&](const TrialNumbers& t) -> const AlertTally& { return t.alerts[static_cast<std::size_t>(alert.index)]; };
    for (const TrialNumbers& t : results.trials) {
        out.fired += of(t).episodes;
        out.trials_fired += of(t).episodes > 0 ? 1 : 0;
        out.series_fired += of(t).series_fired;
        out.failed_evaluations += of(t).failed_evaluations;
    }
    out.first_fired_s = over_trials(results, [&](const TrialNumbers& t) {
        return of(t).episodes > 0 ? std::optional(to_seconds(of(t).kept[0].from)) : std::nullopt;
    });
    out.firing_s = over_trials(results, [&](const TrialNumbers& t) { return std::optional(to_seconds(of(t).firing)); });
    return out;
}

std::int64_t TrialNumbers::micro_usd() const {
    std::int64_t sum = 0;
    for (const PoolNumbers& p : pools) sum += p.micro_usd;
    return sum;
}

namespace {

/// Committed and reserved nodes are paid for all the time at their own price; those in use cost nothing besides.
/// Returns what of it nobody used, in micro-USD.
std::int64_t settle_commitment(const CompiledPool& pool, const PoolTally& tally, Tick span, WideSum& price) {
    if (pool.committed_nodes == 0) return 0;
    const auto each = static_cast<std::uint64_t>(pool.committed_nano_usd_per_hour);
    const Tick paid = pool.paid_until.value_or(span) - pool.paid_from.value_or(Tick{});
    const WideSum& covered = pool.reserved ? tally.nodes.ticks : tally.covered.ticks;
    WideSum all, used;  // 96 bits of ticks times 44 bits of price: by words
    all.add_product(static_cast<std::uint64_t>(std::max<std::int64_t>(paid.count, 0)), static_cast<std::uint64_t>(pool.committed_nodes) * each);
    used.add_product(covered.low, each);
    used.high += covered.high * each;
    price.subtract(pool.reserved ? tally.price.ticks : tally.covered_price.ticks);
    price.merge(all);
    all.subtract(used);
    return micro_usd_of(all);
}

/// What is billed besides node time, in whole micro-dollars.
PoolNumbers other_cost(const CompiledCost& c, const Tally& t, Tick span) {
    const double node_hours = t.nodes.ticks.to_double() / static_cast<double>(ticks_per_second) / 3600;
    const double nano = static_cast<double>(c.nano_usd_per_hour) * to_seconds(span) / 3600 + c.nano_usd_per_node_hour * node_hours +
                        c.nano_usd_per_output_token * static_cast<double>(t.output_tokens) +
                        c.nano_usd_per_prompt_token * static_cast<double>(t.prompt_tokens);
    PoolNumbers out;
    out.micro_usd = std::llround(nano / 1000);
    return out;
}

}  // namespace

RunResults results_of(const CompiledScenario& scenario, std::vector<Threshold> thresholds, std::uint64_t seed,
                      std::string backend) {
    RunResults out;
    out.scenario = scenario.name;
    out.hash = scenario.hash;
    out.seed = seed;
    out.backend = std::move(backend);
    out.span_s = to_seconds(scenario.parts.span);
    out.has_goodput = scenario.has_goodput;
    for (const CompiledPool& p : scenario.pools)
        out.pools.push_back({p.name, p.capacity_type, p.instance_type, CostShares::nobody});
    for (const CompiledCost& c : scenario.other_costs) out.pools.push_back({c.name, "other", "", c.shares});
    for (const CompiledWorkload& w : scenario.workloads)
        out.workloads.push_back({w.target, w.name_space, w.model, w.tenant});
    for (const CompiledAccount& a : scenario.accounts) out.accounts.push_back({a.workload, a.tenant});
    out.thresholds = std::move(thresholds);
    for (const CompiledAlert& a : scenario.alerts)
        out.alerts.push_back({a.name, a.group, a.severity, a.index, a.not_evaluated});
    out.warnings = scenario.warnings;
    return out;
}

namespace {

AttemptNumbers attempts_of(const Tally& t) {
    const auto seconds_of = [](const WideSum& ticks) {
        return ticks.to_double() / static_cast<double>(ticks_per_second);
    };
    AttemptNumbers out;
    out.attempts = t.requests.arrived + t.retried + t.redelivered;
    out.retried = t.retried;
    out.redelivered = t.redelivered;
    out.dead_lettered = t.dead_lettered;
    out.errors = t.error_answers;
    out.wrong_answers = t.wrong_answers;
    out.lost = t.lost_attempts;
    out.lost_prompt_tokens = t.lost_prompt_tokens;
    out.lost_output_tokens = t.lost_output_tokens;
    out.lost_s = seconds_of(t.lost_time);
    out.duplicate_prompt_tokens = t.duplicate_prompt_tokens;
    out.duplicate_output_tokens = t.duplicate_output_tokens;
    out.duplicate_s = seconds_of(t.duplicate_time);
    out.longest_hold_s = to_seconds(t.longest_hold);
    return out;
}

PrefillNumbers prefill_of(const CompiledScenario& scenario, const Tally& t) {
    const auto pairs = [](const WorkloadPlan& w) { return w.prefill.workload >= 0; };
    PrefillNumbers out;
    if (std::none_of(scenario.parts.workloads.begin(), scenario.parts.workloads.end(), pairs)) return out;
    const auto mean_ms = [&](const WideSum& ticks) {
        return per(ticks.to_double() / static_cast<double>(ticks_per_millisecond), static_cast<double>(t.kv_answers));
    };
    out.remote = static_cast<double>(t.remote_prefills);
    out.local = static_cast<double>(t.local_prefills);
    out.transfers = static_cast<double>(t.kv_transfers);
    out.failures = static_cast<double>(t.kv_failures);
    out.bytes = t.kv_bytes.to_double();
    out.prefill_ms = mean_ms(t.prefill_time);
    out.wait_ms = mean_ms(t.kv_wait_time);
    out.transfer_ms = mean_ms(t.kv_transfer_time);
    out.decode_ms = mean_ms(t.kv_decode_time);
    return out;
}

}  // namespace

TrialNumbers numbers_of(const CompiledScenario& scenario, const std::vector<Threshold>& thresholds,
                        const TrialOutcome& outcome) {
    const Tally& t = outcome.tally;
    const double duration = to_seconds(t.ended_at), span = static_cast<double>(scenario.parts.span.count);
    const auto rate = [&](std::uint64_t n) { return per(static_cast<double>(n), duration); };
    TrialNumbers out;
    out.requests = t.requests;
    out.prompt_tokens = t.prompt_tokens;
    out.output_tokens = t.output_tokens;
    out.good = t.good;
    out.attempts = attempts_of(t);
    out.ttft = latency_of(outcome.ttft);
    out.tpot = latency_of(outcome.tpot);
    out.itl = latency_of(outcome.itl);
    out.e2el = latency_of(outcome.e2el);
    out.request_throughput = rate(t.requests.completed);
    out.output_throughput = rate(t.output_tokens);
    out.total_token_throughput = rate(t.prompt_tokens + t.output_tokens);
    if (scenario.has_goodput) {
        out.request_goodput = rate(t.good);
        out.degraded_minutes = t.degraded_minutes;
    }
    out.node_use = outcome.node_use;
    out.alerts = outcome.alerts;
    out.replicas_mean = per(t.ready_replicas.ticks.to_double(), span);
    out.nodes_mean = per(t.nodes.ticks.to_double(), span);
    out.replicas_max = static_cast<std::uint64_t>(t.ready_replicas.most);
    out.nodes_max = static_cast<std::uint64_t>(t.nodes.most);
    out.cold_starts = t.cold_starts;
    out.spot_evictions = t.spot_evictions;
    out.kv_preemptions = t.kv_preemptions;
    out.prefix_queries = t.prefix_queries;
    out.prefix_hits = t.prefix_hits;
    out.prefill = prefill_of(scenario, t);
    out.gpu_busy_ratio = per(t.gpu_busy.to_double(), t.gpus.ticks.to_double());
    for (std::size_t p = 0; p < scenario.pools.size(); ++p) {
        const PoolTally& pool = t.pools[p];
        const auto hours = [](WideSum ticks, WideSum extra) {
            ticks.merge(extra);
            return ticks.to_double() / static_cast<double>(ticks_per_second) / 3600;
        };
        PoolNumbers n;
        WideSum price = pool.price.ticks;
        price.subtract(pool.refund);
        n.unused_micro_usd = settle_commitment(scenario.pools[p], pool, scenario.parts.span, price);
        price.merge(pool.minimum_extra_price);
        n.node_hours = hours(pool.nodes.ticks, pool.minimum_extra);
        n.micro_usd = micro_usd_of(price);
        n.nodes_most = pool.nodes.most;
        n.minimum_extra = pool.minimum_extra_price;
        n.gpu_hours = hours(pool.gpus.ticks, pool.minimum_extra_gpus);
        n.launched = pool.launched;
        n.noticed = pool.noticed;
        n.taken = pool.taken;
        n.noticed_gpu_s = pool.noticed_gpus.to_double() / static_cast<double>(ticks_per_second);
        n.fallback_s = pool.fallback.ticks.to_double() / static_cast<double>(ticks_per_second);
        out.gpu_hours += n.gpu_hours;
        out.pools.push_back(n);
    }
    for (const CompiledCost& c : scenario.other_costs) out.pools.push_back(other_cost(c, t, scenario.parts.span));
    const double span_hours = to_seconds(scenario.parts.span) / 3600;
    for (const Threshold& threshold : thresholds)
        out.thresholds.push_back(threshold_value(threshold, scenario, out, outcome, span_hours));
    return out;
}

const char* to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass:
            return "pass";
        case Verdict::fail:
            return "fail";
        case Verdict::inconclusive:
            return "inconclusive";
    }
    return "";
}

Verdict verdict_of(const Threshold& threshold, const Estimate& e, bool lacks_values, bool had_requests) {
    if (!e.value) return had_requests ? Verdict::fail : Verdict::inconclusive;
    Verdict verdict = threshold.holds(*e.value) ? Verdict::pass : Verdict::fail;
    if (e.ci95 && threshold.holds(e.ci95->first) != threshold.holds(e.ci95->second))
        verdict = Verdict::inconclusive;
    return verdict == Verdict::pass && lacks_values ? Verdict::inconclusive : verdict;
}

const Estimate& Summary::at(std::string_view key) const {
    for (const SummaryRow& row : rows)
        if (key == row.key) return row.estimate;
    throw InternalError("no such row of the results: " + std::string(key));
}

Summary summarise(const RunResults& results) {
    Summary out;
    for (const Row& row : result_rows) out.rows.push_back(summary_row(row, results));
    const auto pairs = [](const TrialNumbers& t) { return t.prefill.remote.has_value(); };
    if (std::any_of(results.trials.begin(), results.trials.end(), pairs))
        for (const Row& row : prefill_rows) out.rows.push_back(summary_row(row, results));
    summarise_cost(results, out);
    for (std::size_t i = 0; i < results.thresholds.size(); ++i) {
        bool lacks_values = false, had_requests = false;
        for (const TrialNumbers& t : results.trials) {
            lacks_values = lacks_values || !t.thresholds[i];
            had_requests = had_requests || t.requests.arrived > 0;
        }
        ThresholdResult r{over_trials(results, [&](const TrialNumbers& t) { return t.thresholds[i]; }), {}};
        r.verdict = verdict_of(results.thresholds[i], r.estimate, lacks_values, had_requests);
        out.thresholds.push_back(std::move(r));
    }
    return out;
}

}  // namespace windtunnel
