#pragma once
// Parts of StepwiseServer: models/stepwise_server.hpp includes this at its end.

namespace windtunnel {

/// 4.3: the last of the running moves its blocks to the host, if they have room there.
template <class Layout>
void StepwiseServer<Layout>::swap_out_last() {
    Sequence s = m_running.back();
    const std::int64_t blocks = blocks_for(s.computed);
    m_died = swap_blocks_in_use() + blocks > m_config->swap_blocks;
    if (m_died) return;
    m_running.pop_back();
    free_blocks_of(s);
    m_moved += blocks;
    ++m_gauges.preemptions;
    const auto older = [](const Sequence& a, const Sequence& b) {
        return std::pair{std::get<1>(a.rank), std::get<2>(a.rank)} < std::pair{std::get<1>(b.rank), std::get<2>(b.rank)};
    };
    m_swapped.insert(std::upper_bound(m_swapped.begin(), m_swapped.end(), s, older), s);
}

template <class Layout>
void StepwiseServer<Layout>::swap_in(const Pool& pool, Fault& fault) {
    while (!m_swapped.empty() && m_running.size() < static_cast<std::size_t>(m_config->max_num_seqs)) {
        Sequence s = m_swapped.front();
        const std::int64_t blocks = blocks_for(s.computed);
        if (m_blocks.free() - (blocks + 1) < m_config->watermark_blocks) return;
        m_moved += blocks;
        m_swapped.erase(m_swapped.begin());
        (void)WT_CHECK(fault, try_allocate(pool, s, 1));
        s.scheduled = 1;
        m_running.push_back(s);
    }
}

/// V0's step: 4.1 to 4.3.
template <class Layout>
typename StepwiseServer<Layout>::Batch StepwiseServer<Layout>::schedule_v0(const Pool& pool, Fault& fault, Tick since) {
    std::int64_t budget = m_config->max_num_batched_tokens;
    bool prompts = false;
    m_preempted = false;
    for (Sequence& s : m_running) s.scheduled = 0;
    while (m_swapped.empty() && !m_waiting.empty() && m_running.size() < static_cast<std::size_t>(m_config->max_num_seqs)) {
        Sequence& head = m_waiting.front();
        const std::int64_t whole = head.prompt + head.outputs;
        if (whole > budget || blocks_for(whole) + m_config->watermark_blocks > m_blocks.free()) break;
        if (!WT_CHECK(fault, try_allocate(pool, head, whole))) return {};
        budget -= head.scheduled = whole;
        pool.note_scheduled(head.job, since);
        m_running.push_back(head);
        m_waiting.pop_front();
        prompts = true;
    }
    for (std::size_t i = 0; !prompts && i < m_running.size(); ++i) {
        for (; m_blocks.free() == 0 && i < m_running.size(); m_preempted = true) {
            if (m_config->swaps)
                swap_out_last();
            else
                preempt(i, budget);
            if (m_died) return {};
        }
        if (i >= m_running.size()) break;
        (void)WT_CHECK(fault, try_allocate(pool, m_running[i], 1));
        m_running[i].scheduled = 1;
    }
    if (!prompts && !m_preempted) swap_in(pool, fault);
    Batch batch = batch_of_scheduled(pool);
    batch.time += std::exchange(m_moved, 0) * m_config->swap_block_time;
    return batch;
}

}  // namespace windtunnel
