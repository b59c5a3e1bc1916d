#pragma once
// Part of EngineSchedule: models/engine_schedule.hpp includes this at its end.

/// Blocks of sequences whose window gives some back while prefixes are cached (models/group_cache.hpp): which
/// block is freed when matters, so that each sequence that frees one is visited, in order of admission; in a jump
/// these are few: one in `block_size` steps of a sequence gives some back. Who takes which block does not matter.
///
/// Free blocks are taken from the front and go to the back, and a step is planned here only if those that
/// were free before it are enough: so what it frees may go back before anything is taken.
namespace windtunnel {

template <class Layout>
WT_HD_COLD std::int64_t EngineSchedule<Layout>::leaves_window(Pool& pool, JobIndex index, bool batched) {
    const Job& job = pool[index];
    const std::int64_t before = batched ? m_batch.released(job) : job.end_step;
    const std::int64_t after = m_config->outside_window(batched ? m_batch.computed(job) : job.computed);
    if (!m_blocks.by_block()) return (after - before) * m_config->window_groups;
    m_blocks.leave(pool, index, after);
    return 0;
}

/// How many of the `limit` steps after the next free as many blocks as windows leave: none that others hold
/// too.
template <class Layout>
WT_HD_COLD std::int64_t EngineSchedule<Layout>::steps_unshared(const Pool& pool, std::int64_t limit) const {
    for (std::uint32_t at = 0; at < m_order_size; ++at) {
        if (m_order[at] == no_job || !in_batch(pool[m_order[at]])) continue;
        const std::int64_t computed = m_batch.computed(pool[m_order[at]]);
        const std::int64_t end = m_config->outside_window(computed + limit);
        const std::int64_t shared = m_blocks.first_shared(pool, m_order[at], end);
        if (shared < end)
            limit = (shared + 1) * m_config->block_size + m_config->window_tokens - 2 - computed;
    }
    return limit;
}

/// The next step's blocks of all who decode.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::take_blocks(Pool& pool) {
    for (std::uint32_t at = 0; at < m_order_size; ++at) {
        if (m_order[at] == no_job || !in_batch(pool[m_order[at]])) continue;
        const std::int64_t computed = m_batch.computed(pool[m_order[at]]);
        m_blocks.leave(pool, m_order[at], m_config->outside_window(computed));
        m_blocks.note_blocks(pool, m_order[at], m_config->blocks_for(computed + 1));
    }
    m_blocks.take_by_block(m_batch.blocks_due());
}

/// ... and those of the `steps` after it. m_turns: who is first to free in a step, by the step's place in the cycle of
/// a block; and behind each place in the order of admission the next one.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::take_blocks_of_jump(Pool& pool, std::int64_t steps) {
    const auto cycle = static_cast<std::uint32_t>(m_config->block_size);
    for (std::uint32_t i = 0; i < cycle; ++i) m_turns[i] = no_job;
    for (std::uint32_t at = m_order_size; at-- > 0;) {
        if (m_order[at] == no_job || !in_batch(pool[m_order[at]])) continue;
        const std::int64_t computed = m_batch.computed(pool[m_order[at]]);
        m_blocks.note_blocks(pool, m_order[at], m_config->blocks_for(computed + steps + 1));
        if (m_config->outside_window(computed + steps) == m_config->outside_window(computed)) continue;
        const std::uint32_t first = m_batch.release_place(computed);
        m_turns[cycle + at] = m_turns[first];
        m_turns[first] = at;
    }
    std::int64_t taken = 0;
    std::uint32_t place = m_batch.step_in_block();
    for (std::int64_t step = 1; step <= steps; ++step) {
        place = place + 1 == cycle ? 0 : place + 1;
        if (m_turns[place] != no_job) {
            m_blocks.take_by_block(taken);
            taken = 0;
        }
        for (std::uint32_t at = m_turns[place]; at != no_job; at = m_turns[cycle + at])
            m_blocks.leave(pool, m_order[at], m_config->outside_window(m_batch.computed(pool[m_order[at]]) + step));
        taken += m_batch.blocks_due_at(place);
    }
    m_blocks.take_by_block(taken);
}

}  // namespace windtunnel
