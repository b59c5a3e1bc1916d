#include "policies/promql_compiler.hpp"

#include "models/expects.hpp"
#include "policies/promql_codegen.hpp"

#include <algorithm>

namespace windtunnel {

PromqlProgramView PromqlProgram::view() const {
    return {instructions.data(), words.data(), numbers.data(), static_cast<std::int32_t>(instructions.size()),
            semantics,           is_scalar,    workspace};
}

PromqlCompiler::PromqlCompiler(MetricCatalog catalog, PromqlOptions options)
    : m_catalog(std::move(catalog)), m_options(std::move(options)) {
    for (const MetricFamily& family : m_catalog.families) WT_EXPECTS(family.scrape_interval_ms > 0);
    std::int32_t pods = 0;
    for (const MetricWorkload& workload : m_catalog.workloads) {
        m_first_pod.push_back(pods);
        pods += workload.pod_slots;
    }
}

Result<PromqlProgram> PromqlCompiler::compile(std::string_view query, const SourcePosition& where,
                                              const std::string& path) {
    return PromqlCodeGenerator(*this, where, path).run(query);
}

std::int32_t PromqlCompiler::require_stream(std::int32_t family, std::int32_t workload, std::int32_t extra,
                                            std::int64_t history_ms) {
    for (std::size_t i = 0; i < m_streams.size(); ++i) {
        StreamPlan& plan = m_streams[i].plan;
        if (plan.family != family || plan.workload != workload || plan.extra != extra) continue;
        m_streams[i].history_ms = std::max(m_streams[i].history_ms, history_ms);
        return static_cast<std::int32_t>(i);
    }
    Stream stream;
    stream.plan.family = family;
    stream.plan.workload = workload;
    stream.plan.extra = extra;
    stream.history_ms = history_ms;
    if (m_catalog.families[static_cast<std::size_t>(family)].scope == MetricScope::per_pod) {
        stream.plan.slots = m_catalog.workloads[static_cast<std::size_t>(workload)].pod_slots;
        stream.plan.first_pod = m_first_pod[static_cast<std::size_t>(workload)];
    }
    m_streams.push_back(stream);
    return static_cast<std::int32_t>(m_streams.size()) - 1;
}

SampleLayout PromqlCompiler::layout() const {
    SampleLayout layout;
    layout.first_pod = m_first_pod;
    for (const Stream& stream : m_streams) {
        StreamPlan plan = stream.plan;
        const std::int64_t interval =
            m_catalog.families[static_cast<std::size_t>(plan.family)].scrape_interval_ms;
        // Both ends of the history, one scrape that is just out of it and one more, so that it is known to be
        // the whole; a marker or two for each pod that came and went. Who asks for the present needs the newest.
        const std::int64_t markers = plan.first_pod < 0 ? 2 : 2 * std::int64_t{m_options.pods_per_slot};
        plan.capacity = stream.history_ms == 0 ? 2 : static_cast<std::int32_t>(stream.history_ms / interval + 4 + markers);
        plan.first_series = layout.series_count;
        plan.first_sample = layout.sample_count;
        layout.series_count += plan.slots;
        layout.sample_count += std::int64_t{plan.slots} * plan.capacity;
        layout.streams.push_back(plan);
    }
    return layout;
}

}  // namespace windtunnel
