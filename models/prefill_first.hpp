#pragma once
#include "models/engine_schedule.hpp"

namespace windtunnel {

/// V0's step: prompts, or one token for everybody. Nothing is admitted while somebody is swapped out, and who is
/// comes back behind the others in a step in which nobody gave way (4.3).
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::plan_prefill_first(Pool& pool, Load& load, Tick since) {
    load.budget = m_config->max_num_batched_tokens;
    if (m_swap.empty()) admit(pool, load, since);
    m_prompts_only = load.tokens > 0;
    if (m_prompts_only) {
        if (m_batch.size() > m_wait_rows) m_waits[m_wait_count++] = {since, m_batch.size() - m_wait_rows};
        m_wait_rows = m_batch.size();
        return;
    }
    // Every sequence wants a free block, whether it is going to take one or not (4.3).
    const std::int64_t due = m_batch.blocks_due();
    if (due + 1 <= m_blocks.free()) {
        m_blocks.take(pool, due);
    } else {
        for (std::uint32_t at = 0; at < m_order_size; ++at) {
            const JobIndex index = m_order[at];
            if (index == no_job) continue;
            while (m_blocks.free() < 1 && at < m_order_size && !m_swap.overrun())
                give_way(pool, m_order[m_order_size - 1], since);
            if (m_swap.overrun()) return;
            if (at < m_order_size) m_blocks.take(pool, m_batch.blocks_due(pool[index]));
        }
    }
    load.tokens = load.decodes = m_batch.size();
    load.context = m_batch.context();
    if (!m_preempted) swap_in(pool, load);
}

/// Forgets what was computed, or keeps it in the host's memory.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::give_way(Pool& pool, JobIndex index, Tick since) {
    if (!m_config->swaps) return preempt(pool, index, since, 0);
    Job& job = pool[index];
    if (!m_swap.finds_room(m_config->blocks_for(m_batch.computed(job)))) return;
    const Tick waited = m_wait_rows > 0 ? leave_wait(job) : never;
    take_out(job, index);
    job.last_token = waited != never ? waited : since;
    m_blocks.release(pool, index, blocks_of(job, 0), 0, false);
    leave(pool, index);
    trim_order();
    job.state = JobState::swapped;
    m_swap.put(pool, index);
    ++m_totals.preemptions;
    m_preempted = true;
}

/// As many as fit above the watermark, each with a block for its next token to spare (can_swap_in of vLLM's block
/// managers, from general knowledge).
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::swap_in(Pool& pool, Load& load) {
    while (!m_swap.empty() && m_running < static_cast<std::uint32_t>(m_config->max_num_seqs)) {
        const JobIndex index = m_swap.first();
        if (m_swap.blocks_of(pool, index) + 1 + m_config->watermark_blocks > m_blocks.free()) return;
        m_swap.take_first(pool);
        Job& job = pool[index];
        ++job.computed;
        m_blocks.take(pool, m_config->blocks_for(job.computed));
        append_running(pool, index);
        become_fresh(pool, index);
        ++load.tokens;
        ++load.decodes;
        load.context += job.computed;
    }
}

}  // namespace windtunnel
