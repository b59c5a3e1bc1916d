#pragma once
#include "models/server_config.hpp"
#include "models/step_heap.hpp"

namespace windtunnel {

/// The sequences of a server that get one token in every step, as one: what n steps of them cost in KV blocks
/// and context follows without looking at any of them. A sequence is known by the step at which it is done;
/// the count of steps goes on by itself and starts anew when the batch is empty.
///
/// In groups with a sliding window a sequence gives a block back every `block_size` steps, from where its tokens
/// outgrow the window on, which is a change of its own. At its first step after a prefill it gives back what its
/// last chunk has left behind.
template <class Layout>
class DecodeBatch {
public:
    using Pool = JobPool<Layout>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t max_num_seqs, std::int32_t block_size,
                                bool windows) {
        m_heap = StepHeap<Layout>(arena.template take<std::uint64_t>(static_cast<std::size_t>(max_num_seqs)));
        m_phase_count = arena.template take<std::uint32_t>(static_cast<std::size_t>(block_size));
        m_starts = StepHeap<Layout>(
            arena.template take<std::uint64_t>(static_cast<std::size_t>(windows ? max_num_seqs : 0)));
        m_release_count = arena.template take<std::uint32_t>(static_cast<std::size_t>(windows ? block_size : 0));
    }
    WT_HD_COLD void start(const ServerConfig& config) {
        m_config = &config;
        m_heap.clear();
        m_starts.clear();
        m_block_size = static_cast<std::uint32_t>(config.block_size);
        m_groups = config.groups();
        m_windows = config.window_groups;
        for (std::uint32_t i = 0; i < m_block_size; ++i) m_phase_count[i] = 0;
        if (m_windows > 0)
            for (std::uint32_t i = 0; i < m_block_size; ++i) m_release_count[i] = 0;
        m_left_behind = 0;
        m_newcomers = false;
        m_size = m_steps_done = m_step_in_block = 0;
        m_context = 0;
    }

    [[nodiscard]] WT_HD std::uint32_t size() const { return m_size; }
    /// Context of all of them in the step that comes next, the token that each brings into it included.
    [[nodiscard]] WT_HD std::int64_t context() const { return m_context; }
    /// Steps until the next of them is done; `most` when none ever is.
    [[nodiscard]] WT_HD std::int64_t steps_left(std::int64_t most) const {
        return m_heap.empty() ? most : static_cast<std::int64_t>(m_heap.first_step()) - m_steps_done;
    }
    [[nodiscard]] WT_HD bool one_is_done() const {
        return !m_heap.empty() && m_heap.first_step() == m_steps_done;
    }
    /// Tells the memory what the end of the next that is done touches.
    WT_HD void expect_done(const Pool& pool) const {
        if (!m_heap.empty()) expect_memory(&pool.requests[pool[m_heap.job_at(0)].request]);
    }
    /// The count of steps would not fit any more.
    [[nodiscard]] WT_HD bool counted_out() const { return m_steps_done >= 0xf0000000u; }

    /// A sequence whose tokens before its last one are all computed joins for the tokens that it still lacks.
    WT_HD void join(Job& job, JobIndex index) {
        const std::int64_t tokens = static_cast<std::int64_t>(job.prompt_tokens) + job.outputs - 1;
        if (m_windows > 0) join_window(job, index, tokens);
        job.end_step = m_steps_done + (job.output_tokens - job.outputs);
        if (job.end_step != m_steps_done) m_heap.push(job.end_step, index);
        ++m_phase_count[phase(tokens)];
        ++m_size;
        m_context += tokens + 1;
    }
    /// One that is done: it is still in the batch, but is not known by its last step any more.
    [[nodiscard]] WT_HD JobIndex pop_done() { return m_heap.pop(); }
    WT_HD void forget(const Job& job, JobIndex index) { m_heap.remove(job.end_step, index); }
    /// Leaves the batch, with what it has: its outputs, its computed tokens and, in end_step, the blocks of each
    /// windowed group that it has given back.
    WT_HD_HOT void leave(Job& job, JobIndex index) {
        const std::int64_t tokens = computed(job);
        const std::int64_t before = m_windows > 0 ? leave_window(job, index, tokens) : 0;
        job.outputs = outputs(job);
        job.computed = static_cast<std::uint32_t>(tokens);
        if (m_windows > 0) job.end_step = static_cast<std::uint32_t>(before);
        --m_phase_count[phase(tokens)];
        --m_size;
        m_context -= tokens + 1;
    }
    /// `steps` steps have passed.
    WT_HD_HOT void advance(std::int64_t steps) {
        m_context += steps * m_size;
        m_steps_done += static_cast<std::uint32_t>(steps);
        if (steps == 1)
            m_step_in_block = m_step_in_block + 1 == m_block_size ? 0 : m_step_in_block + 1;
        else
            m_step_in_block = (m_step_in_block + static_cast<std::uint32_t>(steps)) % m_block_size;
        while (!m_starts.empty() && m_starts.first_step() == m_steps_done) {
            (void)m_starts.pop();
            ++m_release_count[phase(1)];
        }
    }
    /// Nobody runs: the count may begin at zero.
    WT_HD void rest() { m_steps_done = m_step_in_block = 0; }

    /// Tokens that one of them has made.
    [[nodiscard]] WT_HD std::uint32_t outputs(const Job& job) const {
        return job.output_tokens - (job.end_step - m_steps_done);
    }
    /// Tokens of one of them whose KV exists.
    [[nodiscard]] WT_HD std::int64_t computed(const Job& job) const {
        return static_cast<std::int64_t>(job.prompt_tokens) + outputs(job) - 1;
    }

    /// Blocks that they take in the step that comes next, and that one of them does.
    [[nodiscard]] WT_HD std::int64_t blocks_due() const {
        return std::int64_t{m_phase_count[m_step_in_block]} * m_groups;
    }
    [[nodiscard]] WT_HD std::int64_t blocks_due(const Job& job) const {
        return static_cast<std::uint32_t>(computed(job)) % m_block_size == 0 ? m_groups : 0;
    }
    /// A place in the cycle of a block: of the step that comes next; what they take in a step there; and where one with
    /// `computed` tokens in the next step gives blocks back.
    [[nodiscard]] WT_HD std::uint32_t step_in_block() const { return m_step_in_block; }
    [[nodiscard]] WT_HD std::int64_t blocks_due_at(std::uint32_t place) const {
        return std::int64_t{m_phase_count[place]} * m_groups;
    }
    [[nodiscard]] WT_HD std::uint32_t release_place(std::int64_t computed) const {
        const std::int64_t over = (computed + 1 - m_config->window_tokens) % m_block_size;
        return phase(over < 0 ? over + m_block_size : over);
    }
    /// Blocks that they give back in the step that comes next.
    [[nodiscard]] WT_HD std::int64_t releases_due() const {
        return m_windows == 0 ? 0 : m_left_behind + std::int64_t{m_release_count[m_step_in_block]} * m_windows;
    }
    /// What the next step gives back is given back.
    WT_HD void note_released() {
        m_left_behind = 0;
        m_newcomers = false;
    }
    /// Blocks of each windowed group that one of them has given back before the step that comes next.
    [[nodiscard]] WT_HD std::int64_t released(const Job& job) const {
        return outputs(job) == job.outputs ? job.computed : m_config->outside_window(computed(job) - 1);
    }
    /// Blocks that they take in the `n` steps after the next, less those that they give back.
    [[nodiscard]] WT_HD std::int64_t allocations(std::int64_t n) const {
        if (n <= 0) return 0;
        if (m_windows > 0) return allocations_in_windows(n);
        std::int64_t blocks = n / m_block_size * m_size;
        std::uint32_t at = m_step_in_block;
        for (std::int64_t rest = n % m_block_size; rest > 0; --rest) {
            at = at + 1 == m_block_size ? 0 : at + 1;
            blocks += m_phase_count[at];
        }
        return blocks;
    }
    /// How many of the `limit` steps after the next can take their blocks from `free`, leaving no more than it free
    /// (`refused`: the head of the queue did not fit). With windows no more than `takes` are taken.
    [[nodiscard]] WT_HD std::int64_t steps_with_blocks(std::int64_t limit, std::int64_t free, bool refused,
                                                       std::int64_t takes) const {
        if (m_windows > 0) return steps_in_windows(limit, free, refused, takes);
        if ((limit + m_block_size - 1) / m_block_size * m_size <= free) return limit;
        std::int64_t steps = free / m_size * m_block_size;
        free -= free / m_size * m_size;
        std::uint32_t at = m_step_in_block;
        while (steps < limit) {
            at = at + 1 == m_block_size ? 0 : at + 1;
            if (m_phase_count[at] > free) break;
            free -= m_phase_count[at];
            ++steps;
        }
        return steps < limit ? steps : limit;
    }

private:
    WT_HD_COLD void join_window(Job& job, JobIndex index, std::int64_t tokens) {
        const std::int64_t before = job.end_step;  // released with its last chunk
        job.computed = static_cast<std::uint32_t>(before);
        m_left_behind += m_windows * (m_config->outside_window(tokens - 1) - before);
        m_newcomers = true;
        if (tokens >= m_config->window_tokens)
            ++m_release_count[phase(tokens + 1 - m_config->window_tokens)];
        else
            m_starts.push(start_of(tokens), index);
    }
    /// What it has given back.
    WT_HD_COLD std::int64_t leave_window(const Job& job, JobIndex index, std::int64_t tokens) {
        const std::int64_t before = released(job);
        if (m_newcomers && outputs(job) == job.outputs)
            m_left_behind -= m_windows * (m_config->outside_window(tokens - 1) - before);
        if (tokens >= m_config->window_tokens)
            --m_release_count[phase(tokens + 1 - m_config->window_tokens)];
        else
            m_starts.remove(start_of(tokens), index);
        return before;
    }
    /// The count of steps at which so many tokens will have become a window.
    [[nodiscard]] WT_HD std::uint32_t start_of(std::int64_t tokens) const {
        return m_steps_done + static_cast<std::uint32_t>(m_config->window_tokens - tokens);
    }
    [[nodiscard]] WT_HD_COLD std::int64_t allocations_in_windows(std::int64_t n) const {
        std::int64_t blocks = 0;
        std::uint32_t at = m_step_in_block;
        for (std::int64_t i = 0; i < n; ++i) {
            at = at + 1 == m_block_size ? 0 : at + 1;
            blocks += std::int64_t{m_phase_count[at]} * m_groups - std::int64_t{m_release_count[at]} * m_windows;
        }
        return blocks;
    }
    [[nodiscard]] WT_HD_COLD std::int64_t steps_in_windows(std::int64_t limit, std::int64_t free,
                                                           bool refused, std::int64_t takes) const {
        if (!m_starts.empty()) {
            const std::int64_t whole = m_starts.first_step() - m_steps_done - 1;
            if (whole < limit) limit = whole;
        }
        const std::int64_t most = free;
        std::uint32_t at = m_step_in_block;
        for (std::int64_t steps = 0; steps < limit; ++steps) {
            at = at + 1 == m_block_size ? 0 : at + 1;
            const std::int64_t need = std::int64_t{m_phase_count[at]} * m_groups;
            takes -= need;
            if (need > free || takes < 0) return steps;
            free += std::int64_t{m_release_count[at]} * m_windows - need;
            if (refused && free > most) return steps;
        }
        return limit > 0 ? limit : 0;
    }

    /// The position in the block cycle at which a sequence with `tokens` computed now takes a new block.
    [[nodiscard]] WT_HD std::uint32_t phase(std::int64_t tokens) const {
        const std::uint32_t filled = static_cast<std::uint32_t>(tokens) % m_block_size;
        return m_step_in_block >= filled ? m_step_in_block - filled : m_step_in_block + m_block_size - filled;
    }

    StepHeap<Layout> m_heap;                          ///< by the step at which they are done
    ArenaArray<std::uint32_t, Layout> m_phase_count;  ///< by the step (mod block) at which they take a block
    StepHeap<Layout> m_starts;                          ///< those within their window: when they outgrow it
    ArenaArray<std::uint32_t, Layout> m_release_count;  ///< of the others, by the step at which they give a block back
    const ServerConfig* m_config = nullptr;
    std::int64_t m_left_behind = 0;  ///< blocks that those who have just joined give back at their first step
    std::int64_t m_groups = 1, m_windows = 0;
    bool m_newcomers = false;  ///< some have, and have not given them back
    std::uint32_t m_size = 0;
    std::uint32_t m_block_size = 1;
    std::uint32_t m_steps_done = 0;
    std::uint32_t m_step_in_block = 0;  ///< m_steps_done mod m_block_size
    std::int64_t m_context = 0;
};

}  // namespace windtunnel
