#pragma once
// Part of EngineSchedule: models/engine_schedule.hpp includes this at its end.

/// Blocks of sequences whose window gives some back while prefixes are cached (models/group_cache.hpp): which
/// block is freed when matters, so that each sequence that takes or frees one is visited, in order of
/// admission. In a jump these are few: one in `block_size` steps of a sequence takes blocks, and one gives
/// some back.
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
    for (int kind = 0; kind < 2; ++kind)
        for (std::uint32_t at = 0; at < m_order_size; ++at)
            if (m_order[at] != no_job && in_batch(pool[m_order[at]]))
                take_or_leave(pool, m_order[at], m_batch.computed(pool[m_order[at]]), kind == 0);
}

template <class Layout>
WT_HD void EngineSchedule<Layout>::take_or_leave(Pool& pool, JobIndex index, std::int64_t computed,
                                                 bool frees) {
    if (frees)
        m_blocks.leave(pool, index, m_config->outside_window(computed));
    else
        m_blocks.extend(pool, index, m_config->blocks_for(computed + 1));
}

/// ... and those of the `steps` after it. m_turns: who is first to free or to take in a step, by the step's
/// place in the cycle of a block; and behind each place in the order of admission the next one.
template <class Layout>
WT_HD_COLD void EngineSchedule<Layout>::take_blocks_of_jump(Pool& pool, std::int64_t steps) {
    const std::int64_t cycle = m_config->block_size;
    for (std::int64_t i = 0; i < 2 * cycle; ++i) m_turns[static_cast<std::size_t>(i)] = no_job;
    const auto first = [&](std::int64_t step, int kind) {
        return static_cast<std::size_t>(2 * (step % cycle) + kind);
    };
    const auto next = [&](std::uint32_t place, int kind) {
        return static_cast<std::size_t>(2 * (cycle + place) + kind);
    };
    for (std::uint32_t at = m_order_size; at-- > 0;) {
        if (m_order[at] == no_job || !in_batch(pool[m_order[at]])) continue;
        const std::int64_t filled = m_batch.computed(pool[m_order[at]]) % cycle;
        const std::int64_t steps_until[2] = {m_config->window_tokens % cycle + 2 * cycle - 1 - filled,
                                             cycle - filled};
        for (int kind = 0; kind < 2; ++kind) {
            m_turns[next(at, kind)] = m_turns[first(steps_until[kind], kind)];
            m_turns[first(steps_until[kind], kind)] = at;
        }
    }
    for (std::int64_t step = 1; step <= steps; ++step)
        for (int kind = 0; kind < 2; ++kind)
            for (std::uint32_t at = m_turns[first(step, kind)]; at != no_job; at = m_turns[next(at, kind)])
                take_or_leave(pool, m_order[at], m_batch.computed(pool[m_order[at]]) + step, kind == 0);
}

}  // namespace windtunnel
