#pragma once
// Parts of BatchServer: models/batch_server.hpp includes this at its end.

namespace windtunnel {

/// The oldest batch has come out of the last stage, or work has come to an empty engine: batches are sent
/// until there are as many as stages, or nobody is left to go into one.
template <class Layout>
template <class Sink>
WT_HD_COLD void BatchServer<Layout>::advance_pipeline(Pool& pool, Sink& sink, Fault& fault, Tick now) {
    if (m_activity == Activity::mixed) {
        m_totals.busy += now - m_from;
        land_oldest(pool, sink, now);
    }
    if (m_boundary_work) do_boundary_work(pool, sink, now);
    m_from = now;
    m_steps = 1;
    m_step_growth = 0;
    while (!m_flights.full()) {
        schedule(pool, fault, now, m_current);
        if (fault.broken()) return;
        if (!m_current.there) break;
        m_flights.send(now, m_current.time, m_fresh, m_fresh_count);
        m_fresh_count = 0;
    }
    m_waiting_at_boundary = m_waiting.size;
    if (m_flights.empty()) return rest_or_pause(fault, now);
    m_activity = Activity::mixed;
    m_until = m_flights.oldest_ends();
}
template <class Layout>
template <class Sink>
WT_HD_COLD void BatchServer<Layout>::land_oldest(Pool& pool, Sink& sink, Tick now) {
    const std::uint32_t rows = m_flights.oldest_rows();
    for (std::uint32_t i = 0; i < rows; ++i) {
        const JobIndex index = m_flights.oldest_row(i);
        if (index == no_job) continue;
        Job& job = pool[index];
        ++job.outputs;
        land(pool, sink, index, now);
        if (job.outputs == job.output_tokens) {
            finish(pool, sink, index, now);
        } else if (job.state == JobState::fresh) {
            job.state = JobState::stalled;
            if (m_blocks.caching() && !m_blocks.by_block()) job.end_step = job.computed;  // all of it is hashed
            ++m_loose;
        }
    }
    m_flights.pop_oldest();
    trim_order();
}

}  // namespace windtunnel
