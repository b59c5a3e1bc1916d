#include "scenarios/compile/compile_spot.hpp"

#include "models/spot_facts.hpp"
#include "scenarios/markets/spot_fit.hpp"
#include "scenarios/markets/spot_history.hpp"

#include <date/tz.h>
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>

namespace windtunnel {
namespace {

/// A name as the number of its random streams (FNV-1a, 32 bits).
std::uint32_t number_of(const std::string& name) {
    std::uint32_t hash = 2166136261u;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
}

Tick ticks_of_ms(std::int64_t ms) { return milliseconds(ms); }
Tick ticks_of_hours(double h) { return from_seconds(std::min(h, 9000.0) * 3600); }
std::uint32_t spot_share_of(double share) { return static_cast<std::uint32_t>(std::lround(share * spot_share_one)); }

struct CountAt {
    std::int64_t at_ms;
    std::int32_t count;
};

/// How many nodes there were, from `from_ms` on, which becomes 0.
std::vector<CountAt> counts_of(const SpotMarketRecord& market, std::int64_t from_ms) {
    std::vector<CountAt> out{{0, 0}};
    std::int32_t there = 0;
    for (const SpotNodeChange& c : market.changes) {
        there += c.by;
        const std::int64_t at = std::max<std::int64_t>(c.at_ms - from_ms, 0);
        if (out.back().at_ms == at)
            out.back().count = there;
        else
            out.push_back({at, there});
    }
    return out;
}

/// Who is told `notice` before the end must be told before capacity falls: the least capacity of the time from then on.
std::vector<SpotCapacityChange> foreseen(const std::vector<CountAt>& counts, Tick notice) {
    std::vector<Tick> times{Tick{}};
    for (const CountAt& c : counts) {
        times.push_back(ticks_of_ms(c.at_ms));
        times.push_back(max(Tick{}, ticks_of_ms(c.at_ms) - notice));
    }
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    std::vector<SpotCapacityChange> out;
    std::size_t at = 0;
    for (const Tick t : times) {
        while (at + 1 < counts.size() && ticks_of_ms(counts[at + 1].at_ms) <= t) ++at;
        std::int32_t least = counts[at].count;
        for (std::size_t i = at + 1; i < counts.size() && ticks_of_ms(counts[i].at_ms) <= t + notice; ++i) least = std::min(least, counts[i].count);
        if (out.empty() || out.back().capacity != least) out.push_back({t, least, 0});
    }
    return out;
}

class SpotCompiler {
public:
    SpotCompiler(const Scenario& scenario, CompiledScenario& out, Problems& errors)
        : m_scenario(scenario), m_out(out), m_parts(out.parts), m_errors(errors), m_cloud(cloud_name(scenario.cluster.cloud)) {}

    void compile(std::vector<PoolDraft>& drafts) {
        for (PoolDraft& draft : drafts) {
            const bool spot = std::any_of(draft.shapes.begin(), draft.shapes.end(), [](const ShapeDraft& s) { return s.plan.spot != 0; });
            if (spot) add(draft);
        }
        for (const SpotSpec& spec : m_scenario.cluster.spot)
            if (!m_used.contains(&spec))
                m_errors.push_back({spec.where, spec.path, "is about no spot node of this cluster, allowed: pool, instance_type and zone of its spot nodes"});
    }

private:
    void add(PoolDraft& draft) {
        double least = 1e300, most = 0;
        std::string says, handler;
        bool by_default = false;
        for (ShapeDraft& shape : draft.shapes) {
            if (shape.plan.spot == 0) continue;
            const SpotSpec* spec = spec_of(draft, shape);
            const std::string place = shape.zone.empty() ? m_scenario.cluster.region : shape.zone;
            const SpotFacts facts = spot_facts(m_cloud, shape.instance_type, place);
            const bool plain = spec == nullptr || !spec->replaces_default();
            if (plain) {
                least = std::min(least, facts.interruptions_per_hour);
                most = std::max(most, facts.interruptions_per_hour);
                says = facts.says;
                handler = facts.handler_says;
                by_default = true;
            }
            if (draft.plan.provisioner != Provisioner::karpenter && facts.refills) draft.plan.refills = 1;
            const auto key = std::tuple(spec, shape.instance_type, shape.zone, spec && !spec->nodes.empty() ? draft.spec.name : "");
            const auto [known, is_new] = m_markets.try_emplace(key, m_parts.spot_markets.size());
            if (is_new) {
                m_parts.spot_markets.push_back(market_of(spec, facts, draft, shape));
                m_out.spot_markets.push_back(shape.instance_type + (shape.zone.empty() ? "" : " in " + shape.zone));
            }
            shape.plan.market = static_cast<std::int32_t>(known->second);
            const SpotMarketPlan& plan = m_parts.spot_markets[known->second];
            if (plan.price_count > 0) shape.plan.nano_usd_per_hour = m_parts.spot_prices[plan.first_price].nano_usd_per_hour;
        }
        if (by_default)
            m_out.warnings.push_back({draft.spec.where, draft.spec.path.empty() ? draft.spec.name : draft.spec.path,
                                      fmt::format("its spot nodes are interrupted {}{:.2g} times an hour each ({}); {}; {} says otherwise",
                                                  least < most * 0.999 ? fmt::format("{:.2g} to ", least) : "", most, says, handler,
                                                  draft.by_karpenter ? "cluster.spot" : "the pool's spot, or cluster.spot,")});
    }

    const SpotSpec* spec_of(const PoolDraft& draft, const ShapeDraft& shape) {
        if (draft.spec.spot) {
            // The draft's copy of the pool lives as long as the scenario's own.
            for (const PoolSpec& pool : m_scenario.cluster.pools)
                if (pool.name == draft.spec.name) return &*pool.spot;
        }
        for (const SpotSpec& spec : m_scenario.cluster.spot) {
            if ((!spec.pool.empty() && spec.pool != draft.spec.name) || (!spec.instance_type.empty() && spec.instance_type != shape.instance_type) ||
                (!spec.zone.empty() && spec.zone != shape.zone))
                continue;
            m_used[&spec] = true;
            return &spec;
        }
        return nullptr;
    }

    SpotMarketPlan market_of(const SpotSpec* spec, const SpotFacts& facts, PoolDraft& draft, const ShapeDraft& shape) {
        SpotMarketPlan plan;
        plan.entity = number_of("market " + m_cloud + " " + shape.instance_type + " " + shape.zone);
        plan.zone_entity = number_of("zone " + m_cloud + " " + shape.zone);
        plan.notice = from_seconds(facts.notice_s);
        plan.free_before = from_seconds(facts.free_before_s);
        plan.handler = facts.handler;
        plan.day_phase = day_phase();
        if (spec == nullptr) {
            set_rate(plan, facts.interruptions_per_hour, {});
            return plan;
        }
        if (spec->notice) plan.notice = *spec->notice;
        if (spec->handler) plan.handler = *spec->handler;
        if (spec->rebalance_lead) {
            plan.rebalance_lead = *spec->rebalance_lead;
            plan.replaces_early = plan.handler == SpotHandler::evictions && draft.plan.provisioner != Provisioner::karpenter ? 1 : 0;
        }
        if (!spec->replaces_default()) set_rate(plan, facts.interruptions_per_hour, spec->hour_factors);
        if (spec->interruptions_per_hour) set_rate(plan, *spec->interruptions_per_hour, spec->hour_factors);
        if (spec->reclaims_per_day && *spec->reclaims_per_day > 0) set_reclaims(plan, *spec->reclaims_per_day, spec->reclaim_share);
        if (spec->droughts_per_day && *spec->droughts_per_day > 0) set_droughts(plan, *spec);
        if (!spec->fit.empty()) set_fit(plan, *spec, shape);
        if (!spec->capacity.empty()) set_capacity(plan, *spec, shape);
        if (!spec->nodes.empty()) set_nodes(plan, *spec, draft, shape);
        if (!spec->prices.empty()) set_prices(plan, *spec, shape);
        return plan;
    }

    [[nodiscard]] Tick day_phase() const {
        const date::sys_seconds start{std::chrono::seconds{m_out.clock.start_unix_s}};
        const auto offset = date::locate_zone(m_scenario.time_zone)->get_info(start).offset;
        const std::int64_t local = m_out.clock.start_unix_s + offset.count();
        return seconds((local % 86400 + 86400) % 86400);
    }
    std::int32_t add_table(const QuantileTable& table) {
        m_parts.tables.push_back(table);
        return static_cast<std::int32_t>(m_parts.tables.size()) - 1;
    }

    void set_rate(SpotMarketPlan& plan, double per_hour, const std::vector<double>& factors) {
        if (per_hour <= 0) return;
        if (m_exponential < 0) m_exponential = add_table(exponential_table(static_cast<double>(seconds(3600).count)));
        plan.exponential_table = m_exponential;
        for (std::size_t h = 0; h < 24; ++h) {
            const double rate = per_hour * (factors.size() == 24 ? factors[h] : 1);
            plan.hourly_rate[h] = static_cast<std::uint32_t>(std::lround(std::min(rate, 3600.0) * 1e6));
        }
    }
    void set_reclaims(SpotMarketPlan& plan, double per_day, double share) {
        plan.reclaim_gap_table = add_table(exponential_table(static_cast<double>(seconds(86400).count) / per_day));
        plan.reclaim_share = spot_share_of(share);
    }
    void set_droughts(SpotMarketPlan& plan, const SpotSpec& spec) {
        const double between = 24 / *spec.droughts_per_day - spec.drought_hours;
        if (between <= 0) {
            m_errors.push_back({spec.where, spec.path + ".droughts", fmt::format("found {:g} droughts a day of {:g} h, allowed: less than all day", *spec.droughts_per_day, spec.drought_hours)});
            return;
        }
        plan.plenty_table = add_table(exponential_table(static_cast<double>(ticks_of_hours(between).count)));
        plan.drought_table = add_table(exponential_table(static_cast<double>(ticks_of_hours(spec.drought_hours).count)));
        plan.drought_share = spot_share_of(spec.drought_share);
        plan.drought_at_start = spot_share_of(spec.drought_hours * *spec.droughts_per_day / 24);
    }

    void set_fit(SpotMarketPlan& plan, const SpotSpec& spec, const ShapeDraft& shape) {
        const SpotHistory* history = read(spec, spec.fit);
        if (history == nullptr) return;
        SpotHistory mine = *history;
        const bool has_own = std::any_of(mine.markets.begin(), mine.markets.end(), [&](const SpotMarketRecord& m) { return is_of(m, shape, true); });
        if (has_own) std::erase_if(mine.markets, [&](const SpotMarketRecord& m) { return !is_of(m, shape, true); });
        const auto fit = fit_spot_market(mine, spec.fit);
        if (!fit) {
            m_errors.insert(m_errors.end(), fit.problems().begin(), fit.problems().end());
            return;
        }
        if (fit->ages_matter)
            plan.lifetime_table = add_table(lifetime_table_of(fit->lives));
        else
            set_rate(plan, fit->interruptions_per_hour, spec.hour_factors.empty() ? fit->hour_factors : spec.hour_factors);
        if (fit->reclaims_per_day > 0) set_reclaims(plan, fit->reclaims_per_day, fit->reclaim_share);
        if (!fit->drought_hours.empty()) {
            plan.plenty_table = add_table(table_of(fit->plenty_hours));
            plan.drought_table = add_table(table_of(fit->drought_hours));
            plan.drought_share = spot_share_one;
            double plenty = 0, drought = 0;
            for (const double h : fit->plenty_hours) plenty += h / static_cast<double>(fit->plenty_hours.size());
            for (const double h : fit->drought_hours) drought += h / static_cast<double>(fit->drought_hours.size());
            plan.drought_at_start = spot_share_of(drought / (plenty + drought));
        }
    }
    /// Lengths in hours, each as likely as any other.
    static QuantileTable table_of(std::vector<double> hours) {
        std::sort(hours.begin(), hours.end());
        std::vector<QuantilePoint> points;
        for (std::size_t i = 0; i < hours.size(); ++i)
            points.push_back({(static_cast<double>(i) + 0.5) / static_cast<double>(hours.size()), static_cast<double>(ticks_of_hours(hours[i]).count)});
        return points_table(points);
    }
    /// Who outlives the record is taken as never.
    static QuantileTable lifetime_table_of(const SurvivalCurve& lives) {
        std::vector<QuantilePoint> points{{0, 0}};
        for (std::size_t i = 0; i < lives.hours.size(); ++i)
            if (const double p = 1 - lives.survival[i]; p > points.back().probability + 1e-9) points.push_back({p, static_cast<double>(ticks_of_hours(lives.hours[i]).count)});
        const double beyond = static_cast<double>(end_of_time.count / 4);
        if (points.back().probability < 1 - 1e-6) {
            points.push_back({points.back().probability + 1e-7, beyond});
            points.push_back({1, beyond});
        }
        return points_table(points);
    }

    void set_capacity(SpotMarketPlan& plan, const SpotSpec& spec, const ShapeDraft& shape) {
        const SpotHistory* history = read(spec, spec.capacity);
        if (history == nullptr) return;
        const SpotMarketRecord* market = market_for(spec, spec.capacity, *history, shape);
        if (market == nullptr) return;
        const auto changes = foreseen(counts_of(*market, from_ms(spec)), plan.notice);
        plan.first_capacity = static_cast<std::uint32_t>(m_parts.spot_capacities.size());
        plan.capacity_count = static_cast<std::uint32_t>(changes.size());
        m_parts.spot_capacities.insert(m_parts.spot_capacities.end(), changes.begin(), changes.end());
    }

    void set_nodes(SpotMarketPlan& plan, const SpotSpec& spec, PoolDraft& draft, const ShapeDraft& shape) {
        const SpotHistory* history = read(spec, spec.nodes);
        if (history == nullptr) return;
        if (draft.by_karpenter) {
            m_errors.push_back({spec.where, spec.path + ".nodes", "makes the nodes of a Karpenter pool recorded ones, allowed: of a pool of the scenario; for Karpenter's: capacity"});
            return;
        }
        std::vector<SpotNodeLife> lives;
        const bool only = std::count_if(draft.shapes.begin(), draft.shapes.end(), [](const ShapeDraft& s) { return s.plan.spot != 0; }) == 1;
        for (const SpotMarketRecord& m : history->markets) {
            if (!only && !is_of(m, shape, false)) continue;
            std::vector<SpotNodeLife> of_market(m.nodes);
            for (const SpotNodeChange& c : m.changes) (c.by > 0 ? of_market[c.node].comes : of_market[c.node].goes) = ticks_of_ms(c.at_ms);
            lives.insert(lives.end(), of_market.begin(), of_market.end());
        }
        const Tick from = ticks_of_ms(from_ms(spec));
        std::erase_if(lives, [&](const SpotNodeLife& l) { return l.goes <= from || l.goes <= l.comes; });
        for (SpotNodeLife& l : lives) {
            l.comes = max(Tick{}, l.comes - from);
            if (l.goes != never) l.goes -= from;
        }
        std::stable_sort(lives.begin(), lives.end(), [](const SpotNodeLife& a, const SpotNodeLife& b) { return a.comes < b.comes; });
        plan.first_life = static_cast<std::uint32_t>(m_parts.spot_lives.size());
        plan.life_count = static_cast<std::uint32_t>(lives.size());
        m_parts.spot_lives.insert(m_parts.spot_lives.end(), lives.begin(), lives.end());
        draft.plan.provisioner = Provisioner::fixed;
        draft.plan.refills = 0;
        draft.plan.initial = draft.plan.minimum = 0;
        draft.plan.node_slots = std::max(draft.plan.node_slots, most_at_once(lives));
    }
    /// A lost node's object outlives its machine by at most so long (sim/node_loss.hpp).
    static std::uint32_t most_at_once(const std::vector<SpotNodeLife>& lives) {
        std::vector<std::pair<Tick, int>> steps;
        for (const SpotNodeLife& l : lives) {
            steps.emplace_back(l.comes, 1);
            if (l.goes != never) steps.emplace_back(l.goes + seconds(200), -1);
        }
        std::sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second > b.second; });
        int now = 0, most = 1;
        for (const auto& [at, by] : steps) most = std::max(most, now += by);
        return static_cast<std::uint32_t>(most);
    }

    void set_prices(SpotMarketPlan& plan, const SpotSpec& spec, const ShapeDraft& shape) {
        const SpotHistory* history = read(spec, spec.prices);
        if (history == nullptr) return;
        const SpotPriceRecord* series = nullptr;
        std::vector<std::string> known;
        for (const SpotPriceRecord& p : history->prices) {
            known.push_back(p.instance_type + (p.zone.empty() ? "" : " in " + p.zone));
            const bool zone = p.zone.empty() || shape.zone.empty() ? history->prices.size() == 1 : p.zone == shape.zone;
            if (zone && (p.instance_type.empty() || p.instance_type == shape.instance_type)) series = &p;
        }
        if (series == nullptr) {
            m_errors.push_back({spec.where, spec.path + ".prices",
                                fmt::format("{} has no prices of {}{}, allowed: a history of it, or nodes of {}", spec.prices, shape.instance_type,
                                            shape.zone.empty() ? " (the pool names no zone)" : " in " + shape.zone, known.empty() ? "a price history" : join(known))});
            return;
        }
        const std::int64_t from = from_ms(spec);
        plan.first_price = static_cast<std::uint32_t>(m_parts.spot_prices.size());
        for (const SpotPricePoint& p : series->points) {
            const SpotPriceChange change{ticks_of_ms(std::max<std::int64_t>(p.at_ms - from, 0)), p.nano_usd_per_hour};
            if (m_parts.spot_prices.size() > plan.first_price && m_parts.spot_prices.back().at == change.at)
                m_parts.spot_prices.back() = change;
            else
                m_parts.spot_prices.push_back(change);
        }
        plan.price_count = static_cast<std::uint32_t>(m_parts.spot_prices.size()) - plan.first_price;
    }

    // ---- files -----------------------------------------------------------------------------------------

    static std::int64_t from_ms(const SpotSpec& spec) { return spec.from ? spec.from->count / ticks_per_millisecond : 0; }
    /// A record that does not say its zone or type is about any, where `named` does not ask for the opposite.
    static bool is_of(const SpotMarketRecord& m, const ShapeDraft& shape, bool named) {
        if (named && m.zone.empty() && m.instance_type.empty()) return false;
        return (m.zone.empty() || m.zone == shape.zone) && (m.instance_type.empty() || m.instance_type == shape.instance_type);
    }
    const SpotMarketRecord* market_for(const SpotSpec& spec, const std::string& file, const SpotHistory& history, const ShapeDraft& shape) {
        if (history.markets.size() == 1) return &history.markets.front();
        std::vector<std::string> known;
        for (const SpotMarketRecord& m : history.markets) {
            if (is_of(m, shape, true)) return &m;
            known.push_back(m.instance_type + (m.zone.empty() ? "" : " in " + m.zone));
        }
        m_errors.push_back({spec.where, spec.path + ".capacity",
                            fmt::format("{} says nothing of {}{}, allowed: its own markets: {}", file, shape.instance_type, shape.zone.empty() ? "" : " in " + shape.zone, join(known))});
        return nullptr;
    }
    const SpotHistory* read(const SpotSpec& spec, const std::string& file) {
        const auto [at, is_new] = m_files.try_emplace(file);
        if (is_new) {
            auto history = read_spot_history(std::filesystem::path(file), {spec.ones_are_available, spec.step_s});
            if (history) {
                at->second = std::move(*history);
                m_out.warnings.insert(m_out.warnings.end(), at->second->warnings.begin(), at->second->warnings.end());
            } else {
                for (Problem p : history.problems()) {
                    p.message += fmt::format(" ({} of {})", spec.path, spec.where.file);
                    m_errors.push_back(std::move(p));
                }
            }
        }
        return at->second ? &*at->second : nullptr;
    }

    const Scenario& m_scenario;
    CompiledScenario& m_out;
    BlueprintParts& m_parts;
    Problems& m_errors;
    std::string m_cloud;
    std::map<std::tuple<const SpotSpec*, std::string, std::string, std::string>, std::size_t> m_markets;
    std::map<const SpotSpec*, bool> m_used;
    std::map<std::string, std::optional<SpotHistory>> m_files;
    std::int32_t m_exponential = -1;
};

}  // namespace

void compile_spot_markets(const Scenario& scenario, CompiledScenario& out, std::vector<PoolDraft>& drafts, Problems& errors) {
    SpotCompiler(scenario, out, errors).compile(drafts);
}

}  // namespace windtunnel
