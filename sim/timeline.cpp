#include "sim/timeline.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

void add_to(Distribution& d, Tick value) {
    if (d.buckets.empty()) d.buckets.resize(SketchBuckets::count);
    ++d.buckets[SketchBuckets::index_of(value)];
    WideSum sum;
    sum.add(static_cast<std::uint64_t>(value.count));
    d.totals.add(value, value, sum, 1);
}

}  // namespace

TimelineObserver::TimelineObserver(const Blueprint& b, std::uint32_t slices)
    : m_goodput(b.goodput), m_span(b.span), m_pods(b.pod_slots), m_nodes(b.node_slots) {
    m_timeline.slice = max(Tick{1}, Tick{(b.span.count + slices - 1) / slices});
    m_timeline.slices.resize(slices);
}

void TimelineObserver::request_ended(const RequestRecord& r) {
    const auto index = std::min<std::size_t>(
        static_cast<std::size_t>(r.arrival.count / m_timeline.slice.count), m_timeline.slices.size() - 1);
    TimelineSlice& s = m_timeline.slices[index];
    ++s.arrivals;
    ++s.ended[static_cast<int>(r.end)];
    const Tick began = min(r.first_token, r.finish);
    spread(r.arrival, began, [](TimelineSlice& in, Tick t) { in.waiting += t; });
    spread(began, r.finish, [](TimelineSlice& in, Tick t) { in.running += t; });
    if (r.end != RequestEnd::completed) return;
    const Tick ttft = r.first_token - r.arrival, e2el = r.finish - r.arrival;
    const Tick tpot =
        r.output_tokens > 1 ? Tick{(r.finish - r.first_token).count / (r.output_tokens - 1)} : Tick{};
    add_to(s.ttft, ttft);
    add_to(s.e2el, e2el);
    if (r.output_tokens > 1) add_to(s.tpot, tpot);
    s.good += ttft <= m_goodput.ttft && tpot <= m_goodput.tpot && e2el <= m_goodput.e2el ? 1 : 0;
}

template <class Add>
void TimelineObserver::spread(Tick from, Tick to, Add add) {
    to = min(to, m_span);
    while (from < to) {
        const auto index = static_cast<std::size_t>(from.count / m_timeline.slice.count);
        const Tick end = min(to, m_timeline.slice * static_cast<std::int64_t>(index + 1));
        add(m_timeline.slices[index], end - from);
        from = end;
    }
}

void TimelineObserver::pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
    Open& open = m_pods[p];
    if (open.state != 0) spread(open.since, now, [&](TimelineSlice& s, Tick t) { s.pods[open.state] += t; });
    open = {static_cast<std::uint8_t>(pod.state), now};
}

void TimelineObserver::node_changed(std::uint32_t n, const ClusterNode& node, Tick now) {
    Open& open = m_nodes[n];
    if (open.state != 0) spread(open.since, now, [&](TimelineSlice& s, Tick t) { s.nodes[open.state] += t; });
    open = {static_cast<std::uint8_t>(node.state), now};
}

Timeline TimelineObserver::finish() {
    for (std::uint32_t p = 0; p < m_pods.size(); ++p) pod_changed(p, Pod{}, m_span);
    for (std::uint32_t n = 0; n < m_nodes.size(); ++n) node_changed(n, ClusterNode{}, m_span);
    return std::move(m_timeline);
}

}  // namespace windtunnel
