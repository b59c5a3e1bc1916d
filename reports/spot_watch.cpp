#include "reports/spot_watch.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

/// Steps of a record that are kept of a market, evenly thinned: a page draws no more.
constexpr std::size_t most_steps = 2000;

void add_step(std::vector<SpotStep>& steps, Tick at, double value) {
    if (!steps.empty() && steps.back().value == value) return;
    if (!steps.empty() && steps.back().at_s == to_seconds(at)) steps.pop_back();
    steps.push_back({to_seconds(at), value});
}
void thin(std::vector<SpotStep>& steps) {
    if (steps.size() <= most_steps) return;
    std::vector<SpotStep> kept;
    for (std::size_t i = 0; i < most_steps; ++i) kept.push_back(steps[i * steps.size() / most_steps]);
    steps = std::move(kept);
}

}  // namespace

SpotWatch::SpotWatch(const CompiledScenario& scenario, const Blueprint& blueprint, TrialKey key)
    : m_scenario(scenario), m_blueprint(blueprint), m_key(key), m_nodes(blueprint.node_slots), m_place(blueprint.pod_slots, no_index),
      m_logs(blueprint.spot_markets.size()), m_used_s(blueprint.spot_markets.size()), m_used(blueprint.spot_markets.size()) {
    for (std::size_t m = 0; m < m_logs.size() && m < scenario.spot_markets.size(); ++m) m_logs[m].market = scenario.spot_markets[m];
}

SpotMarketLog* SpotWatch::market_of(std::uint32_t n) {
    const std::int32_t m = m_nodes[n].market;
    return m < 0 ? nullptr : &m_logs[static_cast<std::size_t>(m)];
}

void SpotWatch::pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
    const std::uint32_t node = pod.exists() ? pod.node : no_index;
    if (node == m_place[p]) return;
    if (m_place[p] != no_index) {
        NodeLife& life = m_nodes[m_place[p]];
        if (--life.pods == 0 && life.noticed != never && life.emptied == never) life.emptied = now;
    }
    if (node != no_index) {
        ++m_nodes[node].pods;
        m_nodes[node].emptied = never;
    }
    m_place[p] = node;
}

void SpotWatch::node_changed(std::uint32_t n, const ClusterNode& node, Tick now) {
    NodeLife& life = m_nodes[n];
    const bool was = life.state != NodeState::none, is = node.state != NodeState::none;
    if (!was && is) {
        life.market = m_blueprint.shapes[node.shape].market;
        life.noticed = life.emptied = never;
    }
    SpotMarketLog* log = market_of(n);
    if (log != nullptr && was != is) {
        const double before = log->nodes.empty() ? 0 : log->nodes.back().value;
        add_step(log->nodes, now, before + (is ? 1 : -1));
        log->launched += is ? 1 : 0;
        if (!is) end_notice(life, now);
    }
    life.state = node.state;
}
void SpotWatch::end_notice(NodeLife& life, Tick now) {
    if (life.noticed == never) return;
    const auto m = static_cast<std::size_t>(life.market);
    m_used_s[m] += to_seconds(min(life.emptied, now) - life.noticed);
    ++m_used[m];
    life.noticed = never;
}

void SpotWatch::recommended(std::uint32_t n, Tick now) {
    if (SpotMarketLog* log = market_of(n)) log->evictions.push_back({to_seconds(now), "rebalance", 0});
}
void SpotWatch::noticed(std::uint32_t n, Tick until, Tick now) {
    NodeLife& life = m_nodes[n];
    life.noticed = now;
    life.emptied = life.pods == 0 ? now : Tick{never};
    if (SpotMarketLog* log = market_of(n)) {
        log->evictions.push_back({to_seconds(now), "notice", life.pods});
        log->notice_s = to_seconds(until);
    }
}
void SpotWatch::taken(std::uint32_t n, std::int64_t pods, Tick now) {
    if (SpotMarketLog* log = market_of(n)) {
        log->evictions.push_back({to_seconds(now), "taken", pods});
        ++(pods == 0 ? log->taken_empty : log->taken_with_pods);
        end_notice(m_nodes[n], now);
    }
}
void SpotWatch::launch_failed(std::uint32_t shape) {
    const std::int32_t m = m_blueprint.shapes[shape].market;
    if (m >= 0) ++m_logs[static_cast<std::size_t>(m)].launch_failures;
}

/// What the market was over the span: its prices and its capacity.
void SpotWatch::replay(std::uint32_t m, SpotMarketLog& out) const {
    const SpotMarketPlan& plan = m_blueprint.spot_markets[m];
    const SpotMarketData data{&m_blueprint.tables, &m_blueprint.spot_capacities, &m_blueprint.spot_prices, &m_blueprint.spot_lives, m_key.seed, m_key.trial};
    std::int64_t listed = 0;
    for (const ShapePlan& shape : m_blueprint.shapes)
        if (shape.market == static_cast<std::int32_t>(m)) listed = shape.nano_usd_per_hour;
    SpotMarket market;
    market.start(plan, data);
    Tick lacking;
    for (Tick now;;) {
        add_step(out.price, now, static_cast<double>(market.price(plan, data, listed)) / 1e9);
        if (plan.has_capacity_process()) add_step(out.capacity, now, market.capacity() == spot_unlimited ? -1 : market.capacity());
        const Tick next = min(market.next_change(plan, data), m_blueprint.span);
        if (market.capacity() == 0) lacking += next - now;
        if (next >= m_blueprint.span) break;
        now = next;
        (void)market.advance_to(plan, data, now);
    }
    out.available = 1 - to_seconds(lacking) / to_seconds(m_blueprint.span);
    thin(out.price);
    thin(out.capacity);
}

std::vector<SpotMarketLog> SpotWatch::finish() const {
    std::vector<SpotMarketLog> out = m_logs;
    for (std::uint32_t m = 0; m < out.size(); ++m) {
        replay(m, out[m]);
        if (m_used[m] > 0) out[m].notice_used_s = m_used_s[m] / static_cast<double>(m_used[m]);
        thin(out[m].nodes);
    }
    return out;
}

}  // namespace windtunnel
