#pragma once
// Part of BatchServer: models/batch_server.hpp includes this at its end.

namespace windtunnel {

/// Rare: takes a new configuration, and walks everything this server holds to let the aborted jobs go.
template <class Layout>
template <class Sink>
WT_HD_COLD void BatchServer<Layout>::do_boundary_work(Pool& pool, Sink& sink, Tick now) {
    m_boundary_work = false;
    m_single = m_config != m_next_config;  // the step that runs costs what it did when it was scheduled
    m_config = m_next_config;
    for (std::uint32_t i = 0; i < m_order_size; ++i) {
        const JobIndex index = m_order[i];
        if (index == no_job || !pool[index].aborted) continue;
        Job& job = pool[index];
        const bool lost = on_its_way(job), landing = lost && lands(index);
        if (in_batch(job) && m_wait_rows > 0) (void)this->leave_wait(job);
        take_out(job, index);
        if (lost) {
            --job.outputs;
            if (landing)
                drop(m_landing, m_landing_count, index);
            else
                --m_current.live;
            drop(m_done, m_done_count, index);
        } else if (this->late()) {
            drop(m_landing, m_landing_count, index);
        }
        if (m_flights.pipelined()) m_flights.drop(index);
        m_blocks.release(pool, index, this->blocks_of(job, 0), 0, false);
        leave(pool, index);
        sink.aborted(index, now);
    }
    trim_order();
    for (JobIndex i = m_swap.first(); i != no_job;) {
        const JobIndex after = pool[i].next;
        if (pool[i].aborted) {
            m_swap.drop(pool, i);
            sink.aborted(i, now);
        }
        i = after;
    }
    for (JobIndex i = m_waiting.head; i != no_job;) {
        const JobIndex after = pool[i].next;
        if (pool[i].aborted) {
            m_waiting.remove(pool, i);
            if (m_flights.pipelined()) m_flights.drop(i);
            if (pool[i].state == JobState::received) this->give_up_received(pool, i);
            m_blocks.leave_queue(pool, i);
            sink.aborted(i, now);
        }
        i = after;
    }
    for (JobIndex i = m_unread.head; i != no_job;) {
        const JobIndex after = pool[i].next;
        if (pool[i].aborted) {  // it has been read
            m_unread.remove(pool, i);
            m_blocks.release(pool, i, pool[i].end_step, 0, false);
            sink.aborted(i, now);
        }
        i = after;
    }
}

}  // namespace windtunnel
