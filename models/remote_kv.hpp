#pragma once
#include "models/engine_schedule.hpp"

/// The part of vLLM V1's scheduler that deals with prompts computed on another server (vllm.md 1.1, 1.6 b, 1.11; the
/// order of what follows is general knowledge of the scheduler and NixlConnector of 2025 and 2026, not re-read):
///
/// - the head of the queue whose prompt's KV is elsewhere takes the prompt's blocks, those found in the prefix cache
///   and new ones for the rest, and waits for these beside the queue (WAITING_FOR_REMOTE_KVS). It takes no tokens of
///   the step and no place among max_num_seqs; the next in the queue is looked at. Where the blocks are not free
///   the queue waits, as ever;
/// - when they have come it goes before all that have no blocks, those that were preempted too: of several, the one
///   that asked first. The prompt's last token is computed here, for a token to be sampled; then it is a request
///   like others. Preempted, it computes its prompt itself;
/// - KV that never comes leaves a request that computes its prompt itself (kv_load_failure_policy recompute).
///
/// By priority the same holds (vLLM compares priorities there, and can stand still: a request of high priority that
/// waits for the blocks of received ones behind it). At most max_num_seqs requests have blocks in this way at once
/// (vLLM has no bound; a pool hardly has room for so many prompts beside those that run).
namespace windtunnel {

/// The head of the queue. False: it has to wait, and so have those behind it.
template <class Layout>
WT_HD_COLD bool EngineSchedule<Layout>::admit_remote(Pool& pool, JobIndex index, Load& load, Tick since) {
    return pool[index].state == JobState::remote ? begin_receiving(pool, index)
                                                 : run_received(pool, index, load, since);
}

template <class Layout>
WT_HD_COLD bool EngineSchedule<Layout>::begin_receiving(Pool& pool, JobIndex index) {
    Job& job = pool[index];
    if (m_open_receptions >= static_cast<std::uint32_t>(m_config->max_num_seqs)) return false;
    const typename KvBlocks<Layout>::Found found = m_blocks.find(pool, index, job.prompt_tokens);
    const std::int64_t blocks = m_config->blocks_for(job.prompt_tokens);
    const std::int64_t kept = m_running > 0 ? m_config->watermark_blocks : 0;
    if (blocks - found.in_use + kept > m_blocks.free()) return false;
    m_waiting.pop_front(pool);
    m_blocks.take_found(pool, index, found, m_totals);
    m_blocks.take(pool, blocks - found.blocks());
    job.end_step = static_cast<std::uint32_t>(found.blocks());
    job.place = ++m_receptions;
    job.state = JobState::receiving;
    ++m_open_receptions;
    m_receiving.push_back(pool, index);
    if (m_unannounced == no_job) m_unannounced = index;
    return true;
}

template <class Layout>
WT_HD_COLD bool EngineSchedule<Layout>::run_received(Pool& pool, JobIndex index, Load& load, Tick since) {
    Job& job = pool[index];
    if (job.computed == 0) {  // nothing has come
        give_up_received(pool, index);
        m_waiting.pop_front(pool);
        job.state = JobState::waiting;
        put_in_front(pool, index);
        return true;
    }
    job.computed = job.prompt_tokens - 1;
    m_blocks.enter_full(pool, index);
    if (m_running > 0 && m_config->watermark_blocks > m_blocks.free()) {
        job.computed = job.prompt_tokens;
        return false;
    }
    m_waiting.pop_front(pool);
    --m_open_receptions;
    pool.note_scheduled(index, since);
    compute(pool, index, 1, load);
    job.end_step = drafting() ? static_cast<std::uint32_t>(m_config->blocks_for(job.prompt_tokens)) : 0;
    join_running(pool, index, true);
    return true;
}

/// Its KV has come, or never will.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::queue_received(Pool& pool, JobIndex index) {
    m_receiving.remove(pool, index);
    pool[index].state = JobState::received;
    JobIndex after = m_waiting.head;
    while (after != no_job && pool[after].state == JobState::received && pool[after].place < pool[index].place)
        after = pool[after].next;
    m_waiting.insert_before(pool, index, after);
}

/// One without blocks that goes before others without.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::put_in_front(Pool& pool, JobIndex index) {
    if (m_config->by_priority) return insert_by_priority(pool, index);
    JobIndex after = m_waiting.head;
    while (after != no_job && pool[after].state == JobState::received) after = pool[after].next;
    m_waiting.insert_before(pool, index, after);
}

/// Frees the blocks of one that has received, or was to.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::give_up_received(Pool& pool, JobIndex index) {
    m_blocks.release(pool, index, m_config->blocks_for(pool[index].prompt_tokens), 0, false);
    --m_open_receptions;
}

}  // namespace windtunnel
