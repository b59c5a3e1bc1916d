#include "scenarios/markets/spot_stats.hpp"

#include "scenarios/traces/trace_time.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

double hours(std::int64_t ms) { return static_cast<double>(ms) / 3.6e6; }
double usd(std::int64_t nano) { return static_cast<double>(nano) / 1e9; }

/// Share of `p` among sorted values.
double quantile(const std::vector<double>& sorted, double p) {
    const double at = p * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const std::size_t high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (sorted[high] - sorted[low]) * (at - static_cast<double>(low));
}

Json counts_json(const SpotCounts& c) {
    Json out;
    out["adds"] = c.adds;
    out["removes"] = c.removes;
    out["taken"] = c.taken;
    out["nodes_start"] = c.nodes_start;
    out["nodes_end"] = c.nodes_end;
    out["nodes_min"] = c.nodes_min;
    out["nodes_max"] = c.nodes_max;
    out["nodes_mean"] =
        c.span_ms > 0 ? Json(static_cast<double>(c.node_ms) / static_cast<double>(c.span_ms)) : Json(nullptr);
    out["node_hours"] = hours(c.node_ms);
    out["span_s"] = static_cast<double>(c.span_ms) / 1000;
    out["interruptions_per_node_hour"] =
        c.node_ms > 0 ? Json(static_cast<double>(c.taken) / hours(c.node_ms)) : Json(nullptr);
    return out;
}

Json lifetimes_json(const SpotHistory& history) {
    if (!history.names_nodes) return nullptr;
    std::vector<double> taken;
    std::size_t lived_on = 0;
    for (const SpotMarketRecord& m : history.markets)
        for (const SpotLifetime& life : lifetimes_of(m)) {
            if (life.taken)
                taken.push_back(life.hours);
            else
                ++lived_on;
        }
    std::sort(taken.begin(), taken.end());
    Json out{{"ended", taken.size()}, {"lived_on", lived_on}};
    for (const auto& [key, p] : {std::pair{"p10_h", 0.1}, {"p50_h", 0.5}, {"p90_h", 0.9}})
        out[key] = taken.empty() ? Json(nullptr) : Json(quantile(taken, p));
    return out;
}

std::string market_name(const std::string& type, const std::string& zone) {
    if (type.empty() && zone.empty()) return "(all)";
    return type + (type.empty() || zone.empty() ? "" : " ") + zone;
}

std::vector<const SpotMarketRecord*> all_of(const SpotHistory& history) {
    std::vector<const SpotMarketRecord*> out;
    for (const SpotMarketRecord& m : history.markets) out.push_back(&m);
    return out;
}

}  // namespace

SpotCounts count_nodes(const std::vector<const SpotMarketRecord*>& markets, std::int64_t span_ms) {
    SpotCounts out;
    out.span_ms = span_ms;
    std::vector<SpotNodeChange> changes;
    for (const SpotMarketRecord* m : markets) {
        changes.insert(changes.end(), m->changes.begin(), m->changes.end());
        // A market that is not watched to the end has its nodes to its own end.
        std::int64_t left = 0;
        for (const SpotNodeChange& c : m->changes) left += c.by;
        out.node_ms -= left * (span_ms - m->to_ms);
        out.nodes_end += left;
    }
    if (markets.size() == 1) out.instance_type = markets.front()->instance_type;
    if (markets.size() == 1) out.zone = markets.front()->zone;
    std::stable_sort(changes.begin(), changes.end(),
                     [](const SpotNodeChange& a, const SpotNodeChange& b) { return a.at_ms < b.at_ms; });
    std::int64_t nodes = 0;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const SpotNodeChange& c = changes[i];
        nodes += c.by;
        out.adds += c.by > 0 ? 1 : 0;
        out.removes += c.by < 0 ? 1 : 0;
        out.taken += c.by < 0 && c.taken ? 1 : 0;
        if (i + 1 < changes.size() && changes[i + 1].at_ms == c.at_ms) continue;
        if (c.at_ms == 0) out.nodes_start = out.nodes_min = nodes;
        out.nodes_min = std::min(out.nodes_min, nodes);
        out.nodes_max = std::max(out.nodes_max, nodes);
        const std::int64_t until = i + 1 == changes.size() ? span_ms : changes[i + 1].at_ms;
        out.node_ms += nodes * (until - c.at_ms);
    }
    return out;
}

SpotPriceSummary summarise_prices(const SpotPriceRecord& prices, std::int64_t span_ms) {
    SpotPriceSummary out;
    out.instance_type = prices.instance_type;
    out.zone = prices.zone;
    if (prices.points.empty()) return out;
    out.changes = prices.points.size() - 1;
    out.least = out.most = usd(prices.points.front().nano_usd_per_hour);
    for (const SpotPricePoint& p : prices.points) {
        out.least = std::min(out.least, usd(p.nano_usd_per_hour));
        out.most = std::max(out.most, usd(p.nano_usd_per_hour));
    }
    out.last = usd(prices.points.back().nano_usd_per_hour);
    const std::int64_t from = prices.points.front().at_ms;
    out.mean =
        span_ms > from ? usd(nano_usd_between(prices, from, span_ms)) / hours(span_ms - from) : out.last;
    return out;
}

std::int64_t nano_usd_between(const SpotPriceRecord& prices, std::int64_t from_ms, std::int64_t to_ms) {
    __extension__ typedef __int128 Wide;
    Wide sum = 0;
    for (std::size_t i = 0; i < prices.points.size(); ++i) {
        const std::int64_t begins = i == 0 ? from_ms : std::max(from_ms, prices.points[i].at_ms);
        const std::int64_t ends =
            i + 1 == prices.points.size() ? to_ms : std::min(to_ms, prices.points[i + 1].at_ms);
        if (ends > begins) sum += Wide{ends - begins} * prices.points[i].nano_usd_per_hour;
    }
    constexpr Wide hour = 3'600'000;
    Wide whole = sum / hour;
    const Wide rest = 2 * (sum % hour);
    if (rest > hour || (rest == hour && whole % 2 == 1)) ++whole;
    return static_cast<std::int64_t>(whole);
}

nlohmann::ordered_json spot_stats_json(const SpotHistory& history) {
    Json out;
    out["format"] = to_string(history.format);
    if (history.format == SpotFormat::price_history) {
        for (const char* key : {"adds", "removes", "nodes_end", "nodes_mean", "node_hours"})
            out[key] = nullptr;
        out["span_s"] = static_cast<double>(history.span_ms) / 1000;
    } else {
        out.update(counts_json(count_nodes(all_of(history), history.span_ms)));
    }
    if (history.start_unix_ms)
        out["start"] =
            format_wall_clock(*history.start_unix_ms / 1000,
                              static_cast<std::int32_t>(*history.start_unix_ms % 1000) * 1'000'000);
    out["lifetimes"] = lifetimes_json(history);
    out["markets"] = Json::array();
    for (const SpotMarketRecord& m : history.markets) {
        Json row{{"instance_type", m.instance_type.empty() ? Json(nullptr) : Json(m.instance_type)},
                 {"zone", m.zone.empty() ? Json(nullptr) : Json(m.zone)}};
        row.update(counts_json(count_nodes({&m}, m.to_ms)));
        out["markets"].push_back(std::move(row));
    }
    out["prices"] = Json::array();
    for (const SpotPriceRecord& p : history.prices) {
        const SpotPriceSummary s = summarise_prices(p, history.span_ms);
        out["prices"].push_back({{"instance_type", s.instance_type},
                                 {"zone", s.zone},
                                 {"changes", s.changes},
                                 {"mean_usd_per_hour", s.mean},
                                 {"min_usd_per_hour", s.least},
                                 {"max_usd_per_hour", s.most},
                                 {"last_usd_per_hour", s.last}});
    }
    return out;
}

std::string spot_stats_table(const SpotHistory& history) {
    std::string out = fmt::format(" {} over {:.2f} h", to_string(history.format), hours(history.span_ms));
    if (history.start_unix_ms) out += " from " + format_wall_clock(*history.start_unix_ms / 1000, 0);
    out += "\n\n";
    if (!history.markets.empty()) {
        std::size_t width = 6;
        for (const SpotMarketRecord& m : history.markets)
            width = std::max(width, market_name(m.instance_type, m.zone).size());
        out += fmt::format(" {:<{}} {:>7} {:>8} {:>7} {:>6} {:>6} {:>9} {:>12} {:>14}\n", "market", width,
                           "adds", "removes", "start", "end", "max", "mean", "node hours", "taken per h");
        const auto line = [&](const std::string& name, const SpotCounts& c) {
            out += fmt::format(
                " {:<{}} {:>7} {:>8} {:>7} {:>6} {:>6} {:>9.3f} {:>12.3f} {:>14.5f}\n", name, width, c.adds,
                c.removes, c.nodes_start, c.nodes_end, c.nodes_max,
                c.span_ms > 0 ? static_cast<double>(c.node_ms) / static_cast<double>(c.span_ms) : 0,
                hours(c.node_ms), c.node_ms > 0 ? static_cast<double>(c.taken) / hours(c.node_ms) : 0);
        };
        for (const SpotMarketRecord& m : history.markets)
            line(market_name(m.instance_type, m.zone), count_nodes({&m}, m.to_ms));
        if (history.markets.size() > 1) line("all", count_nodes(all_of(history), history.span_ms));
        const Json lives = lifetimes_json(history);
        if (lives.is_object() && lives["ended"].get<std::size_t>() > 0)
            out += fmt::format(
                "\n lifetimes: {} ended by the cloud, {} lived on; p10 {:.3f} h, p50 {:.3f} h, p90 {:.3f} "
                "h\n",
                lives["ended"].get<std::size_t>(), lives["lived_on"].get<std::size_t>(),
                lives["p10_h"].get<double>(), lives["p50_h"].get<double>(), lives["p90_h"].get<double>());
    }
    for (const SpotPriceRecord& p : history.prices) {
        const SpotPriceSummary s = summarise_prices(p, history.span_ms);
        out += fmt::format(" {:<28} {:>5} changes   mean {:.6f}   {:.6f} to {:.6f}   last {:.6f} USD/h\n",
                           market_name(s.instance_type, s.zone), s.changes, s.mean, s.least, s.most, s.last);
    }
    return out;
}

}  // namespace windtunnel
