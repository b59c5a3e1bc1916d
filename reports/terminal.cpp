#include "reports/terminal.hpp"

#include "reports/cluster_text.hpp"
#include "reports/comparison.hpp"
#include "reports/human.hpp"
#include "reports/money.hpp"
#include "reports/spot_summary.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <regex>

namespace windtunnel {

namespace {

constexpr std::size_t label_width = 12;
constexpr std::size_t most_warnings = 3;
constexpr std::size_t most_alerts = 5;

/// Writes the summary, part by part.
class Writer {
public:
    Writer(const CompiledScenario& scenario, const RunResults& results, const ObservedTrial* first,
           const TerminalOptions& options)
        : m_scenario(scenario),
          m_results(results),
          m_summary(summarise(results)),
          m_first(first),
          m_options(options),
          m_style(options.coloured) {}

    std::string write() {
        header();
        losses();
        thresholds();
        latencies();
        capacity();
        alerts();
        cluster();
        cost();
        warnings();
        verdict();
        return std::move(m_out);
    }

private:
    void line(std::string_view label, const std::string& text) {
        m_out += ' ' + m_style.bold(padded_right(label, label_width - 1)) +
                 wrapped(text, width(), label_width) + '\n';
    }
    [[nodiscard]] std::size_t width() const { return std::max<std::size_t>(60, m_options.width); }
    [[nodiscard]] double total(std::string_view key) const { return m_summary.at(key).value.value_or(0); }
    [[nodiscard]] std::string count(std::string_view key) const {
        return thousands(static_cast<std::int64_t>(total(key)));
    }
    [[nodiscard]] static std::string plural(std::size_t n, std::string_view one) {
        return fmt::format("{} {}{}", thousands(static_cast<std::int64_t>(n)), one, n == 1 ? "" : "s");
    }

    void header() {
        line("Scenario", m_scenario.name);
        std::vector<std::string> parts, pools;
        for (const CompiledPool& p : m_scenario.pools)
            pools.push_back(p.by_karpenter
                                ? fmt::format("{} ({} {}, by Karpenter)", p.name, p.capacity_type, p.instance_type)
                                : fmt::format("{} ({} {}, {}–{})", p.name, p.capacity_type, p.instance_type,
                                              p.minimum, p.maximum));
        if (!pools.empty())
            parts.push_back(plural(pools.size(), "pool") + ": " + fmt::format("{}", fmt::join(pools, ", ")));
        for (const CompiledWorkload& w : m_scenario.workloads) {
            if (w.model.empty()) continue;  // its pods serve nothing
            std::string text =
                fmt::format("{}: {} on {}, tp {}", w.target, w.model, w.gpu, w.capacity.tensor_parallel);
            if (w.capacity.pipeline_parallel > 1) text += fmt::format(", pp {}", w.capacity.pipeline_parallel);
            if (w.minimum_replicas == w.maximum_replicas)
                text += ", " + plural(static_cast<std::size_t>(w.minimum_replicas), "replica");
            else
                text += fmt::format(", {}–{} replicas by {}", w.minimum_replicas, w.maximum_replicas,
                                    w.autoscaler.empty() ? "schedule" : w.autoscaler);
            parts.push_back(std::move(text));
        }
        line("Cluster", fmt::format("{}", fmt::join(parts, " · ")));
        const double trials = static_cast<double>(std::max<std::size_t>(1, m_results.trials.size()));
        std::string requests =
            fmt::format("{} requests · {}", thousands(static_cast<std::int64_t>(total("arrived") / trials)),
                        spoken_duration(m_results.span_s));
        if (const auto peak = peak_rate())
            requests +=
                fmt::format(" · busiest {} at {} requests/s",
                            spoken_duration(to_seconds(m_first->timeline->slice)), short_number(*peak));
        if (total("completed") > 0)
            requests += fmt::format(" · mean {} tokens in, {} out",
                                    short_number(total("prompt") / total("completed")),
                                    short_number(total("output") / total("completed")));
        line("Requests", requests);
        line(
            "Runs",
            fmt::format("{}, seed {} · {}{}", plural(m_results.trials.size(), "trial"), m_results.seed,
                        m_results.backend,
                        m_results.complete ? "" : " · " + m_style.yellow("interrupted, not all trials ran")));
    }

    [[nodiscard]] std::optional<double> peak_rate() const {
        if (m_first == nullptr || !m_first->timeline || m_first->timeline->slice.count == 0)
            return std::nullopt;
        std::uint64_t most = 0;
        for (const TimelineSlice& s : m_first->timeline->slices) most = std::max(most, s.arrivals);
        return static_cast<double>(most) / to_seconds(m_first->timeline->slice);
    }

    /// Requests that did not complete, and why.
    void losses() {
        const double arrived = total("arrived");
        if (arrived == 0) {
            m_out += '\n' + m_style.yellow(" No request arrived.") + '\n';
            return;
        }
        if (total("completed") == arrived) return;
        m_out += fmt::format(
            "\n {}\n",
            m_style.red(fmt::format("{} of {} requests did not complete ({})",
                                    thousands(static_cast<std::int64_t>(arrived - total("completed"))),
                                    count("arrived"), short_percent(1 - total("completed") / arrived))));
        std::string rejected = "prompt + output tokens are more than max_model_len" + rejected_detail();
        for (const WorkloadPlan& w : m_scenario.parts.workloads)
            if (w.hold_limit > 0) rejected += fmt::format(", or the queue held {} already", thousands(w.hold_limit));
        loss("rejected", rejected);
        loss("failed", failed_detail());
        loss("timed_out", "the client's time-out passed");
        loss("unfinished", "still waiting or running when the drain limit passed");
    }
    void loss(const char* key, const std::string& why) {
        if (total(key) == 0) return;
        m_out += "   " + padded_left(count(key), 11) + ' ' + padded_right(key, 11) + ' ' +
                 wrapped(why, width(), 27) + '\n';
    }
    [[nodiscard]] std::string rejected_detail() const {
        std::vector<std::string> limits;
        for (const CompiledWorkload& w : m_scenario.workloads)
            if (!w.model.empty()) limits.push_back(fmt::format("{} allows {}", w.target, thousands(w.capacity.max_model_len)));
        if (limits.empty()) return "";
        std::string text = fmt::format(" ({}", fmt::join(limits, ", "));
        if (m_first != nullptr && m_first->losses.longest_rejected > 0)
            text += fmt::format("; longest {}", thousands(m_first->losses.longest_rejected));
        return text + ")";
    }
    [[nodiscard]] std::string failed_detail() const {
        const char* nobody = "no replica was ready";
        const char* refused = "they reached a pod that was Ready and could not serve";
        const char* gone = "their replica was stopped before they finished";
        const LossCounts l = m_first == nullptr ? LossCounts{} : m_first->losses;
        std::vector<std::pair<const char*, std::uint64_t>> causes;
        for (const auto& cause : {std::pair{nobody, l.no_replica}, std::pair{refused, l.refused},
                                  std::pair{gone, l.replica_gone}})
            if (cause.second > 0) causes.emplace_back(cause);
        if (causes.empty()) return fmt::format("{}, or {}, or {}", nobody, refused, gone);
        if (causes.size() == 1) return causes[0].first;
        std::vector<std::string> texts;
        for (const auto& [cause, n] : causes)
            texts.push_back(fmt::format("{} ({}{})", cause, thousands(static_cast<std::int64_t>(n)),
                                        texts.empty() ? " of the first trial's" : ""));
        return fmt::format("{}", fmt::join(texts, ", or "));
    }

    // ---- thresholds ------------------------------------------------------------------------------------

    [[nodiscard]] std::string mark(Verdict v) const {
        return v == Verdict::pass   ? m_style.green("✓")
               : v == Verdict::fail ? m_style.red("✗")
                                    : m_style.yellow("≈");
    }
    void thresholds() {
        if (m_results.thresholds.empty()) return;
        m_out += "\n " + m_style.bold("THRESHOLDS") + '\n';
        std::size_t widest = 0;
        for (const Threshold& t : m_results.thresholds)
            widest = std::max(widest, display_width(t.expression));
        for (std::size_t i = 0; i < m_results.thresholds.size(); ++i) {
            const Threshold& t = m_results.thresholds[i];
            const ThresholdResult& r = m_summary.thresholds[i];
            std::string value = "no value: nothing completed";
            if (r.estimate.value) value = in_unit_of(t.metric, *r.estimate.value);
            if (r.estimate.ci95)  // nothing that is measured here is negative, whatever its interval
                value +=
                    fmt::format("   [{}, {}]", in_unit_of(t.metric, std::max(0.0, r.estimate.ci95->first)),
                                in_unit_of(t.metric, r.estimate.ci95->second));
            if (r.verdict == Verdict::inconclusive) value += "   inconclusive";
            m_out +=
                "   " + mark(r.verdict) + ' ' + padded_right(t.expression, widest) + "   " + value + '\n';
        }
    }

    // ---- latencies -------------------------------------------------------------------------------------

    void latencies() {
        m_out += '\n' + std::string(8, ' ');
        for (const char* name : {"mean", "median", "p90", "p99", "p99.9"})
            m_out += m_style.dim(padded_left(name, 11));
        const bool wide = m_options.width >= 92 && m_first != nullptr && m_first->timeline;
        if (wide && m_results.span_s > 0)
            m_out += m_style.dim(fmt::format("   p99 over {}, log scale", spoken_duration(m_results.span_s)));
        m_out += '\n';
        latency("ttft", wide ? &TimelineSlice::ttft : nullptr);
        latency("tpot", wide ? &TimelineSlice::tpot : nullptr);
        latency("itl", nullptr);
        latency("e2el", wide ? &TimelineSlice::e2el : nullptr);
    }
    void latency(const char* name, Distribution TimelineSlice::*slices) {
        m_out += ' ' + padded_right(name, 7);
        for (const char* statistic : {"mean", "p50", "p90", "p99", "p99.9"})
            m_out += padded_left(
                short_milliseconds(m_summary.at(fmt::format("{}_{}_ms", statistic, name)).value), 11);
        if (slices != nullptr) {
            std::vector<std::optional<double>> p99;
            for (const TimelineSlice& s : m_first->timeline->slices) {
                const Distribution& d = s.*slices;
                p99.push_back(d.totals.count == 0 ? std::nullopt
                                                  : std::optional(to_milliseconds(d.quantile(0.99))));
            }
            if (const std::string bars = sparkline(p99); !bars.empty()) m_out += "   " + bars;
        }
        m_out += '\n';
    }

    // ---- capacity, cost --------------------------------------------------------------------------------

    void capacity() {
        m_out += '\n';
        line("Throughput", fmt::format("{} requests/s · {} output tokens/s{}",
                                       short_number(m_summary.at("request_throughput").value),
                                       short_number(m_summary.at("output_throughput").value),
                                       m_results.has_goodput
                                           ? fmt::format(" · {} good requests/s",
                                                         short_number(m_summary.at("request_goodput").value))
                                           : ""));
        std::string text =
            fmt::format("replicas mean {} max {}", short_number(m_summary.at("replicas_mean").value),
                        short_number(m_summary.at("replicas_max").value));
        if (!m_results.pools.empty())
            text += fmt::format(" · nodes mean {} max {} · GPUs busy {}",
                                short_number(m_summary.at("nodes_mean").value),
                                short_number(m_summary.at("nodes_max").value),
                                short_percent(m_summary.at("gpu_busy_ratio").value));
        for (const auto& [key, name] :
             {std::pair{"cold_starts", "cold start"}, std::pair{"spot_evictions", "spot eviction"},
              std::pair{"kv_preemptions", "KV preemption"}})
            if (total(key) > 0) text += " · " + plural(static_cast<std::size_t>(total(key)), name);
        if (total("hit_tokens") > 0)
            text += fmt::format(" · {} of the prompt tokens cached", short_percent(total("hit_tokens") / total("queried_tokens")));
        line("Capacity", text);
        caps();
        day();
        prefill();
        if (const std::string spot = m_results.trials.empty() ? "" : spot_line(m_results); !spot.empty()) line("Spot", spot);
    }
    /// Where the time to the first token goes when the prompt is computed on another server.
    void prefill() {
        if (m_results.trials.empty() || !m_results.trials[0].prefill.remote) return;
        const auto ms = [&](const char* key) { return short_number(m_summary.at(key).value) + " ms"; };
        std::string text = fmt::format("{} prompts computed elsewhere", short_number(m_summary.at("remote_prefills").value));
        if (m_summary.at("local_prefills").value > 0) text += fmt::format(", {} where they are answered", short_number(m_summary.at("local_prefills").value));
        if (m_summary.at("mean_prefill_ms").value)
            text += fmt::format(" · TTFT is prefill {} + wait for blocks {} + KV transfer {} + first step {}", ms("mean_prefill_ms"),
                                ms("mean_kv_wait_ms"), ms("mean_kv_transfer_ms"), ms("mean_first_step_ms"));
        text += fmt::format(" · {:.1f} GB of KV moved", m_summary.at("kv_bytes").value.value_or(0) / 1e9);
        if (m_summary.at("kv_failures").value > 0) text += fmt::format(", {} lost", short_number(m_summary.at("kv_failures").value));
        line("Prefill", text);
    }
    /// Arrivals against ready replicas over the span: whether the scaling follows the load.
    void day() {
        if (m_first == nullptr || !m_first->timeline || m_first->timeline->slices.size() < 2) return;
        std::vector<std::optional<double>> arrivals, replicas;
        for (const TimelineSlice& slice : m_first->timeline->slices) {
            arrivals.push_back(static_cast<double>(slice.arrivals));
            replicas.push_back(to_seconds(slice.pods[static_cast<int>(PodState::ready)]) /
                               to_seconds(m_first->timeline->slice));
        }
        line("", fmt::format("arrivals {}   ready replicas {}", sparkline(arrivals, BarScale::linear),
                             sparkline(replicas, BarScale::linear)));
    }
    /// Which limits were reached: the first thing to look at when a queue grows although "autoscaling works".
    void caps() {
        std::vector<std::string> reached;
        if (m_scenario.workloads.size() == 1 && !m_scenario.workloads[0].autoscaler.empty() &&
            m_summary.at("replicas_max").value >= m_scenario.workloads[0].maximum_replicas)
            reached.push_back(fmt::format("{} reached its maximum of {} replicas", m_scenario.workloads[0].autoscaler,
                                          m_scenario.workloads[0].maximum_replicas));
        if (m_first != nullptr && m_first->outcome.tally.creations_refused > 0) {
            std::vector<std::string> quotas;
            for (const CompiledQuota& q : m_scenario.quotas)
                if (quotas.empty() || quotas.back() != q.title) quotas.push_back(q.title);
            reached.push_back(fmt::format("{} refused pods {} times (FailedCreate: exceeded quota)",
                                          fmt::join(quotas, ", "), m_first->outcome.tally.creations_refused));
        }
        if (m_first != nullptr)
            for (std::size_t p = 0; p < m_scenario.pools.size(); ++p) {
                const CompiledPool& pool = m_scenario.pools[p];
                if (!pool.by_karpenter && pool.maximum > pool.minimum && m_first->outcome.tally.pools[p].nodes.most >= pool.maximum)
                    reached.push_back(fmt::format("pool {} reached its maximum of {} nodes", pool.name, pool.maximum));
            }
        if (!reached.empty()) line("", m_style.yellow(fmt::format("{}", fmt::join(reached, " · "))));
    }
    /// What the cluster said: conditions, pending pods, restarts, rollouts.
    void cluster() {
        if (!m_results.cluster) return;
        std::string label;
        for (const ClusterLine& l : cluster_lines(*m_results.cluster, m_options.all_warnings)) {
            line(l.label == label ? "" : l.label, l.alarming ? m_style.yellow(l.text) : l.text);
            label = l.label;
        }
        if (m_options.events) m_out += '\n' + events_table(*m_results.cluster) + '\n';
    }
    /// Which alerts would have told somebody, and when; which would not.
    void alerts() {
        if (m_results.alerts.empty() || m_results.trials.empty()) return;
        std::vector<std::string> silent;
        std::size_t not_evaluated = 0, shown = 0, fired = 0;
        for (const AlertLabel& alert : m_results.alerts) {
            if (alert.index < 0) {
                ++not_evaluated;
                continue;
            }
            const AlertSummary s = summarise_alert(m_results, alert);
            if (s.fired == 0) {
                silent.push_back(alert.name);
                continue;
            }
            if (++fired > most_alerts) continue;
            const std::string title = alert.severity.empty() ? alert.name : fmt::format("{} ({})", alert.name, alert.severity);
            std::string text = fmt::format("{} fired {} into the run", m_style.red(title), spoken_duration(*s.first_fired_s.value));
            text += fmt::format(", {} in all", spoken_duration(s.firing_s.value.value_or(0)));
            if (m_results.trials.size() > 1)
                text += fmt::format(" (means; in {} of {} trials)", s.trials_fired, m_results.trials.size());
            else if (s.fired > 1)
                text += fmt::format(", {} times", s.fired);
            line(shown++ == 0 ? "Alerts" : "", text);
        }
        std::vector<std::string> rest;
        if (fired > most_alerts) rest.push_back(fmt::format("{} more fired", fired - most_alerts));
        const std::size_t many = silent.size();
        if (many > 3) silent.resize(3);
        if (many > 0) rest.push_back(fmt::format("did not fire: {}{}", fmt::join(silent, ", "), many > 3 ? fmt::format(" and {} more", many - 3) : ""));
        if (not_evaluated > 0) rest.push_back(fmt::format("not evaluated: {} (-o json says why)", not_evaluated));
        if (!rest.empty()) line(shown == 0 ? "Alerts" : "", fmt::format("{}", fmt::join(rest, " · ")));
    }
    void cost() {
        if (m_results.pools.empty()) return;
        const double usd = static_cast<double>(m_summary.total_micro_usd) / 1e6,
                     hours = m_results.span_s / 3600;
        std::string text = fmt::format("{} USD over {}", short_usd(usd), spoken_duration(m_results.span_s));
        if (hours > 0)
            text += fmt::format(" · {} USD/h · {} USD/month", short_usd(usd / hours),
                                thousands(std::llround(usd / hours * hours_per_month)));
        if (m_summary.micro_usd_per_million_output_tokens)
            text += fmt::format(
                " · {} USD per 1M output tokens",
                short_usd(static_cast<double>(*m_summary.micro_usd_per_million_output_tokens) / 1e6));
        line("Cost", text);
        std::size_t names = 0, types = 0;
        for (const PoolLabel& p : m_results.pools) {
            names = std::max(names, display_width(p.pool));
            types = std::max(types, display_width(p.instance_type));
        }
        for (std::size_t p = 0; p < m_results.pools.size(); ++p) {
            const PoolLabel& label = m_results.pools[p];
            const bool of_nodes = label.capacity_type != "other";  // volumes, traffic and the like have no hours
            m_out += std::string(label_width, ' ') + padded_right(label.pool, names) + "  " +
                     padded_right(label.capacity_type, 9) + "  " + padded_right(label.instance_type, types) +
                     (of_nodes ? padded_left(short_number(m_summary.pools[p].node_hours.value), 10) + " node-hours"
                               : std::string(21, ' ')) +
                     padded_left(short_usd(static_cast<double>(m_summary.pools[p].micro_usd) / 1e6), 12) +
                     " USD\n";
        }
    }

    void warnings() {
        if (m_results.warnings.empty()) return;
        const std::size_t shown = m_options.all_warnings ? m_results.warnings.size()
                                                         : std::min(most_warnings, m_results.warnings.size());
        line("Warnings", fmt::format("{}{}", m_results.warnings.size(),
                                     shown < m_results.warnings.size() ? "   (-v shows all)" : ""));
        for (std::size_t i = 0; i < shown; ++i)
            m_out += std::string(label_width, ' ') +
                     wrapped(to_string(m_results.warnings[i]), width(), label_width) + '\n';
    }

    void verdict() {
        std::size_t failed = 0, open = 0;
        for (const ThresholdResult& r : m_summary.thresholds) {
            failed += r.verdict == Verdict::fail ? 1 : 0;
            open += r.verdict == Verdict::inconclusive ? 1 : 0;
        }
        const std::size_t all = m_results.thresholds.size();
        std::string text;
        if (failed > 0)
            text = m_style.red(fmt::format("✗ {} of {} failed", failed, plural(all, "threshold")));
        else if (open > 0)
            text = m_style.yellow(fmt::format("≈ {} of {} inconclusive", open, plural(all, "threshold")));
        else if (all > 0)
            text = m_style.green(all == 1 ? std::string("✓ the threshold holds")
                                          : fmt::format("✓ all {} thresholds hold", all));
        const std::string next = suggestion(failed, open);
        if (text.empty() && next.empty()) return;
        m_out += "\n " + text + (text.empty() || next.empty() ? "" : "   ·   ") +
                 (next.empty() ? "" : "next: " + next) + '\n';
    }
    [[nodiscard]] std::string suggestion(std::size_t failed, std::size_t open) const {
        if (m_options.command.empty()) return "";
        const std::size_t trials = m_results.trials.size();
        const std::string command =
            std::regex_replace(m_options.command, std::regex(" --trials[ =][0-9]+"), "");
        if (trials <= 1 && !m_results.thresholds.empty())
            return command + " --trials 20   (how sure is that?)";
        if (open > 0) return fmt::format("{} --trials {}", command, trials * 4);
        if (failed > 0 && command.find(" --requests") == std::string::npos)
            return m_options.command + " --requests requests.csv   (which requests?)";
        return "";
    }

    const CompiledScenario& m_scenario;
    const RunResults& m_results;
    const Summary m_summary;
    const ObservedTrial* m_first;
    const TerminalOptions& m_options;
    const Style m_style;
    std::string m_out;
};

}  // namespace

std::string terminal_summary(const CompiledScenario& scenario, const RunResults& results,
                             const ObservedTrial* first, const TerminalOptions& options) {
    return Writer(scenario, results, first, options).write();
}

}  // namespace windtunnel
