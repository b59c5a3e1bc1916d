#include "reports/perfect_autoscaler.hpp"

#include "gpu/replay.hpp"
#include "scenarios/traces/bench_workload.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace windtunnel {

namespace {

constexpr std::uint32_t most_replicas = 1u << 14;
constexpr std::size_t runs_at_once = 64;

/// An objective as a sum over requests that may not be above 0.
struct Sum {
    const Threshold* threshold;

    /// The requests that missed it, less those that may.
    [[nodiscard]] double of(const TrialOutcome& o) const {
        const RequestCounts& r = o.tally.requests;
        if (threshold->metric == ThresholdMetric::goodput)
            return static_cast<double>(r.arrived - o.tally.good) -
                   (1 - threshold->limit) * static_cast<double>(r.arrived);
        if (threshold->metric == ThresholdMetric::availability)
            return static_cast<double>(r.arrived - r.completed) -
                   (1 - threshold->limit) * static_cast<double>(r.arrived);
        const Distribution& d = threshold->metric == ThresholdMetric::ttft_ms   ? o.ttft
                                : threshold->metric == ThresholdMetric::tpot_ms ? o.tpot
                                                                                : o.e2el;
        const auto count = static_cast<double>(d.totals.count);
        if (count == 0) return 0;
        // Whole buckets beyond the limit: what shares its bucket is given the benefit of the doubt.
        const Tick limit = from_seconds(threshold->limit / 1e3);
        double beyond = 0;
        for (std::uint32_t i = SketchBuckets::index_of(limit) + 1; i < d.buckets.size(); ++i)
            beyond += static_cast<double>(d.buckets[i]);
        return beyond - (1 - threshold->quantile) * count;
    }
    /// When nobody answers them.
    [[nodiscard]] double without(std::size_t requests) const {
        const bool share = threshold->metric == ThresholdMetric::goodput ||
                           threshold->metric == ThresholdMetric::availability;
        return static_cast<double>(requests) * (share ? threshold->limit : threshold->quantile);
    }
};

std::vector<Sum> sums_of(const std::vector<Threshold>& thresholds) {
    std::vector<Sum> out;
    for (const Threshold& t : thresholds) {
        const bool upper = t.comparison == Comparison::less || t.comparison == Comparison::less_or_equal;
        const bool latency = t.metric == ThresholdMetric::ttft_ms || t.metric == ThresholdMetric::tpot_ms ||
                             t.metric == ThresholdMetric::e2el_ms;
        if (latency && upper && t.statistic == Statistic::quantile) out.push_back({&t});
        if ((t.metric == ThresholdMetric::goodput || t.metric == ThresholdMetric::availability) && !upper)
            out.push_back({&t});
    }
    return out;
}

/// The requests of one workload in one window, and what so many replicas make of them.
struct Cell {
    std::size_t workload = 0, window = 0;
    std::shared_ptr<const Trace> requests;
    std::map<std::uint32_t, std::vector<double>> known;  ///< [replicas][sum]

    /// Which number of replicas has to be run next; 0 = all that matter are known.
    [[nodiscard]] std::uint32_t next() const {
        if (known.empty()) return 1;
        // Up, doubling, until more replicas change nothing.
        const auto last = std::prev(known.end());
        const bool settled =
            last->first >= most_replicas || (known.size() > 1 && known.contains(last->first / 2) &&
                                             known.at(last->first / 2) == last->second);
        if (!settled) return last->first * 2;
        // The fewest that do as well.
        std::uint32_t good = last->first, bad = 0;
        for (const auto& [k, sums] : known)
            if (sums == last->second)
                good = std::min(good, k);
            else
                bad = std::max(bad, k < good ? k : 0);
        if (good - bad > 1) return bad + (good - bad) / 2;
        // And those below it, one by one where they are few, that somebody might be content with.
        for (std::uint32_t k = good; k > 1;) {
            const std::uint32_t below = k - std::max(1u, k / 16);
            if (!known.contains(below)) return hopeless(k) ? 0 : below;
            k = below;
        }
        return 0;
    }

    double weight = 1;                 ///< of its window: shorter at the end
    std::vector<double> without = {};  ///< [sum] with no replica at all: everything is missed

private:
    /// Fewer replicas could not miss more.
    [[nodiscard]] bool hopeless(std::uint32_t k) const {
        const std::vector<double>& sums = known.at(k);
        for (std::size_t s = 0; s < sums.size(); ++s)
            if (sums[s] < without[s]) return false;
        return true;
    }
};

Trace slice(const Trace& all, std::uint16_t model, Tick from, Tick to) {
    Trace out;
    const auto before = [](const Request& r, Tick at) { return r.arrival < at; };
    for (auto r = std::lower_bound(all.requests.begin(), all.requests.end(), from, before);
         r != all.requests.end() && r->arrival < to; ++r) {
        if (r->model != model) continue;
        out.requests.push_back(*r);
        out.requests.back().arrival -= from;
        out.requests.back().model = 0;
    }
    out.span = to - from;
    return out;
}

const ServerParts* server_of(const CompiledScenario& scenario, std::size_t workload) {
    const BlueprintParts& parts = scenario.parts;
    for (std::uint32_t t = parts.workloads[workload].first_template; t < parts.templates.size(); ++t) {
        const TemplateParts& made = parts.templates[t];
        std::int32_t server = made.plan.server;
        for (const std::int32_t s : made.kind_servers) server = server < 0 ? s : server;
        if (server >= 0) return &parts.servers[static_cast<std::size_t>(server)];
    }
    return nullptr;
}

std::int64_t gpus_of(const CompiledWorkload& w) {
    return std::max<std::int64_t>(1, std::int64_t{w.capacity.tensor_parallel} * w.capacity.pipeline_parallel);
}

std::optional<double> cheapest_gpu_hour(const CompiledScenario& scenario) {
    std::optional<double> out;
    for (const CompiledPool& p : scenario.pools) {
        if (p.gpus_per_node <= 0 || p.nano_usd_per_hour <= 0) continue;
        const double usd =
            static_cast<double>(p.nano_usd_per_hour) / 1e9 / static_cast<double>(p.gpus_per_node);
        out = std::min(out.value_or(usd), usd);
    }
    return out;
}

/// min over the cells' choices of gpus + price * misses, for each cell.
struct Priced {
    double bound = 0;                   ///< the dual's value: GPU-windows
    double misses = 0;                  ///< of these choices
    std::vector<std::uint32_t> chosen;  ///< [cell]
};
Priced at_price(const std::vector<Cell>& cells, const std::vector<std::int64_t>& gpus, std::size_t sum,
                double price) {
    Priced out;
    for (const Cell& c : cells) {
        double least = 0;
        std::uint32_t choice = 0;
        std::uint32_t before = 0;
        double misses = c.without[sum];
        least = price * misses;
        for (const auto& [k, sums] : c.known) {
            // Between two numbers that were run, the lower is credited with what the higher can do.
            const double value =
                static_cast<double>((before + 1) * gpus[c.workload]) * c.weight + price * sums[sum];
            before = k;
            if (value >= least) continue;
            least = value;
            choice = k;
            misses = sums[sum];
        }
        out.bound += least;
        out.misses += misses;
        out.chosen.push_back(choice);
    }
    return out;
}

/// The highest bound over all prices, and the choices at the least price that keeps the budget. The dual is
/// concave: its slope is the sum of misses, so the price at which that changes its sign is searched.
Priced best_dual(const std::vector<Cell>& cells, const std::vector<std::int64_t>& gpus, std::size_t sum,
                 bool& reachable) {
    double low = 0, high = 1e-6;
    Priced cheap = at_price(cells, gpus, sum, 0);
    reachable = true;
    if (cheap.misses <= 0) return cheap;
    Priced dear = at_price(cells, gpus, sum, high);
    while (dear.misses > 0 && high < 1e12) {
        low = high;
        high *= 4;
        dear = at_price(cells, gpus, sum, high);
    }
    if (dear.misses > 0) {
        reachable = false;
        return dear;
    }
    double bound = std::max(cheap.bound, dear.bound);
    for (int i = 0; i < 60; ++i) {
        const double middle = std::sqrt(std::max(low, 1e-9) * high);
        Priced p = at_price(cells, gpus, sum, middle);
        bound = std::max(bound, p.bound);
        if (p.misses > 0) {
            low = middle;
        } else {
            high = middle;
            dear = std::move(p);
        }
    }
    dear.bound = bound;
    return dear;
}

}  // namespace

std::optional<PerfectAutoscaler> perfect_autoscaler(const CompiledScenario& scenario,
                                                    const std::vector<Threshold>& thresholds,
                                                    const Trace& requests, Tick window, int threads,
                                                    const bool* interrupted) {
    const std::vector<Sum> sums = sums_of(thresholds);
    const Tick span = scenario.parts.span;
    if (sums.empty() || span.count <= 0) return std::nullopt;
    const auto windows = static_cast<std::size_t>((span.count + window.count - 1) / window.count);
    std::vector<Cell> cells;
    std::vector<std::int64_t> gpus(scenario.workloads.size(), 1);
    for (std::size_t model = 0; model < scenario.parts.workload_of_model.size(); ++model) {
        const std::size_t w = scenario.parts.workload_of_model[model];
        if (w >= scenario.workloads.size() || server_of(scenario, w) == nullptr) continue;
        gpus[w] = gpus_of(scenario.workloads[w]);
        for (std::size_t i = 0; i < windows; ++i) {
            const Tick from{static_cast<std::int64_t>(i) * window.count}, to = min(span, from + window);
            Trace part = slice(requests, static_cast<std::uint16_t>(model), from, to);
            if (part.requests.empty()) continue;
            Cell cell;
            cell.workload = w;
            cell.window = i;
            cell.weight = to_seconds(to - from) / to_seconds(window);
            for (const Sum& s : sums) cell.without.push_back(s.without(part.requests.size()));
            cell.requests = std::make_shared<const Trace>(std::move(part));
            cells.push_back(std::move(cell));
        }
    }
    if (cells.empty()) return std::nullopt;

    PerfectAutoscaler out;
    out.window = window;
    while (true) {
        std::vector<std::pair<Cell*, std::uint32_t>> asked;
        for (Cell& c : cells)
            if (const std::uint32_t k = c.next(); k > 0) asked.emplace_back(&c, k);
        if (asked.empty()) break;
        for (std::size_t first = 0; first < asked.size(); first += runs_at_once) {
            ReplayGrid grid;
            const std::size_t count = std::min(runs_at_once, asked.size() - first);
            std::vector<std::vector<double>> found(count);
            for (std::size_t i = 0; i < count; ++i) {
                const auto [cell, k] = asked[first + i];
                BlueprintParts parts = bench_parts(*server_of(scenario, cell->workload), k, 0,
                                                   {Tick{0}, Tick{0}}, cell->requests->span);
                parts.goodput = scenario.parts.goodput;
                parts.goodput.minutes = 0;
                const auto shared = std::make_shared<const BlueprintParts>(std::move(parts));
                grid.configurations.push_back(
                    {[shared](std::uint32_t growth) { return build(*shared, growth); },
                     [trace = cell->requests](std::uint32_t) {
                         return TrialWorkload{trace->view(), trace};
                     }});
            }
            grid.threads = threads;
            grid.interrupted = interrupted;
            grid.finished = [&](std::uint32_t c, std::uint32_t, TrialOutcome&& outcome) {
                for (const Sum& s : sums) found[c].push_back(s.of(outcome));
            };
            if (replay_grid(grid) < 1) {
                out.complete = false;
                return out;
            }
            for (std::size_t i = 0; i < count; ++i)
                asked[first + i].first->known[asked[first + i].second] = std::move(found[i]);
        }
    }

    double most = -1;
    for (std::size_t s = 0; s < sums.size(); ++s) {
        bool reachable = true;
        const Priced p = best_dual(cells, gpus, s, reachable);
        if (!reachable) {
            out.reachable = false;
            out.objective = sums[s].threshold->expression;
            return out;
        }
        if (p.bound <= most) continue;
        most = p.bound;
        out.objective = sums[s].threshold->expression;
        out.gpus.assign(windows, 0);
        for (std::size_t i = 0; i < cells.size(); ++i)
            out.gpus[cells[i].window] += static_cast<std::int64_t>(p.chosen[i]) * gpus[cells[i].workload];
    }
    out.gpu_hours = std::max(0.0, most) * to_seconds(window) / 3600;
    out.gpus_mean = out.gpu_hours / (to_seconds(span) / 3600);
    out.gpus_most = *std::max_element(out.gpus.begin(), out.gpus.end());
    if (const auto price = cheapest_gpu_hour(scenario)) out.usd = out.gpu_hours * *price;
    return out;
}

}  // namespace windtunnel
