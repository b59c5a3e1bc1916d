#pragma once
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/kv_blocks.hpp"
#include "models/server_config.hpp"
#include "models/step_heap.hpp"

namespace windtunnel {

/// A vLLM V1 engine (vllm.md, sections 1 and 2; synchronous scheduling), exact, without
/// running every step.
///
/// One step, at a boundary t (`plan`):
///   A. every running sequence, in order of admission, gets its next token or prefill chunk under the token
///      budget, taking KV blocks as it crosses a block's border; while a block is missing, the sequence
///      admitted last is preempted: its blocks are freed, it goes to the front of the queue, keeps its
///      outputs and will be prefilled again;
///   B. unless A preempted, the queue's head is admitted while budget, a sequence slot and blocks for its
///      first chunk last; the first that does not fit stops the loop;
///   the step's time follows from what was scheduled; at its end (`commit`) every sequence whose tokens are
///   all computed gets one token, and those that have all their tokens leave.
///
/// Between two changes of the batch a decode step differs from the one before only in its context, which
/// grows by one token a row: n steps take n*c + k*B*n(n-1)/2 ticks. So `plan` proves how many steps are pure
/// decode (no prefill; the queue empty, or its head refused after this step's own allocations, which only
/// get tighter; no completion, no block shortage, no cost breakpoint inside) and makes one *jump* of them. An
/// arrival that could be admitted cuts the jump at the first boundary at or after it. Extra cuts change
/// nothing.
///
/// At most one sequence is in prefill between steps, and it is the one admitted last: a chunk is partial only
/// when it used up the budget, and nothing is admitted before it is complete.
///
/// A model: it never schedules itself. `next_change()` says when it next changes by itself; the owner calls
/// `advance` at exactly that time. `Sink` hears what happened to jobs:
///   first_token(job, t), gaps(first, increment, steps, rows), finished(job, t), aborted(job, t)
template <class Layout>
class BatchServer {
public:
    using Pool = JobPool<Layout>;

    /// Takes the arrays for servers with up to these limits. Call once per trial.
    /// `cached_blocks`: how many of its KV blocks others may find again; `caching`: it caches prefixes at all.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t max_num_seqs, std::int32_t block_size,
                                bool caching = false, std::int64_t cached_blocks = 0) {
        const auto seqs = static_cast<std::size_t>(max_num_seqs);
        m_heap = StepHeap<Layout>(arena.template take<std::uint64_t>(seqs));
        m_order = arena.template take<JobIndex>(2 * seqs);
        m_fresh = arena.template take<JobIndex>(seqs);
        m_phase_count = arena.template take<std::uint32_t>(static_cast<std::size_t>(block_size));
        m_blocks.take_memory(arena, max_num_seqs, caching, cached_blocks);
    }

    /// A freshly started engine: empty pool, empty queue, counters at zero.
    WT_HD_COLD void start(const ServerConfig& config) {
        m_config = m_next_config = &config;
        m_heap.clear();
        for (std::int32_t i = 0; i < config.block_size; ++i) m_phase_count[static_cast<std::size_t>(i)] = 0;
        m_waiting = {};
        m_order_size = m_fresh_count = m_running = m_batch = 0;
        m_partial = no_job;
        m_context = 0;
        m_steps_done = m_step_in_block = 0;
        m_blocks.start(config);
        m_activity = Activity::idle;
        m_until = never;
        m_totals = {};
        m_waiting_at_boundary = 0;
        m_boundary_work = false;
    }

    [[nodiscard]] WT_HD Tick next_change() const { return m_until; }
    /// Requests it holds, queued or running.
    [[nodiscard]] WT_HD std::uint32_t in_flight() const { return m_running + m_waiting.size; }
    [[nodiscard]] WT_HD std::int64_t free_blocks() const { return m_blocks.free(); }
    [[nodiscard]] WT_HD std::uint64_t preemptions() const { return m_totals.preemptions; }
    /// Counters that change at boundaries only, so that they need no time: not busy and generation_tokens.
    [[nodiscard]] WT_HD const ServerGauges& totals() const { return m_totals; }

    /// A request arrives. An idle engine wakes at the same instant, after everything else that arrives then;
    /// a busy one looks at its queue at the first boundary at or after `seen_from`: `now`, or one tick later
    /// when a boundary at `now` would already have been passed (it arrived after the steps of this instant).
    WT_HD void arrive(Pool& pool, JobIndex index, Tick now, Tick seen_from) {
        Job& job = pool[index];
        job.state = JobState::waiting;
        job.last_token = seen_from;
        m_blocks.arrive(pool, index);
        const bool alone = m_waiting.empty();
        m_waiting.push_back(pool, index);
        if (m_activity == Activity::idle) {
            m_activity = Activity::waking;
            m_from = m_until = now;
        } else if ((alone && m_running < static_cast<std::uint32_t>(m_config->max_num_seqs)) ||
                   m_config->extra_cuts) {
            cut(seen_from);
        }
    }

    /// The client of a job that this server holds has gone: the job leaves at the first boundary from
    /// `seen_from` on.
    WT_HD void abort(Pool& pool, JobIndex index, Tick seen_from) {
        pool[index].aborted = 1;
        m_boundary_work = true;
        cut(seen_from);
    }

    /// Steps cost what `config` says from the first boundary at or after `seen_from` on. Its limits are those of the
    /// present one.
    WT_HD_COLD void reconfigure(const ServerConfig& config, Tick seen_from) {
        m_next_config = &config;
        if (m_activity == Activity::idle) {
            m_config = m_next_config;
            return;
        }
        m_boundary_work = true;
        cut(seen_from);
    }

    /// Does what is due at `next_change()`.
    template <class Sink>
    WT_HD void advance(Pool& pool, Sink& sink, Fault& fault) {
        const Tick now = m_until;
        if (m_activity != Activity::waking) commit(pool, sink, fault, now);
        if (m_boundary_work) do_boundary_work(pool, sink, now);
        plan(pool, fault, now);
    }

    /// Reports the token gaps of the jump's steps that have ended by `now`; the jump is not going to end
    /// itself.
    template <class Sink>
    WT_HD void settle(Sink& sink, Tick now) const {
        if (m_activity != Activity::decoding) return;
        const std::int64_t steps = steps_done_by(now);
        if (steps > 0) sink.gaps(m_first_step, Tick{m_step_growth}, steps, m_batch);
    }

    /// The process is killed: every job it holds ends as `lost`, and the engine is gone until `start`.
    template <class Sink>
    WT_HD_COLD void kill(Pool& pool, Sink& sink, Tick now) {
        settle(sink, now);
        m_totals = counters_at(now);
        const std::int64_t steps = m_activity == Activity::decoding ? steps_done_by(now) : 0;
        for (std::uint32_t i = 0; i < m_order_size; ++i) {
            const JobIndex index = m_order[i];
            if (index == no_job) continue;
            if (pool[index].state == JobState::decoding) pool[index].outputs = outputs_of(pool[index], steps);
            sink.lost(index, now);
        }
        while (!m_waiting.empty()) sink.lost(m_waiting.pop_front(pool), now);
        const ServerGauges totals = m_totals;
        start(*m_config);
        m_totals = totals;
    }

    /// What a scrape at `now` reads: the state of the last boundary at or before it, without ending a jump.
    [[nodiscard]] WT_HD_COLD ServerGauges gauges(const Pool& pool, Tick now) const {
        ServerGauges g = counters_at(now);
        if (m_activity == Activity::idle || m_activity == Activity::waking) {
            g.waiting = 0;
            return g;
        }
        const std::int64_t steps = m_activity == Activity::decoding ? steps_done_by(now) : 0;
        g.running = m_running;
        g.waiting = m_waiting_at_boundary;
        if (steps > 0) {  // a later boundary of the jump: it saw the arrivals up to then
            const Tick boundary = m_from + duration(steps);
            g.waiting = m_waiting.size;
            for (JobIndex i = m_waiting.tail; i != no_job && pool[i].last_token > boundary;
                 i = pool[i].previous)
                --g.waiting;
        }
        // Boundary `steps` has also allocated for the step it started, unless the jump ended there.
        const std::int64_t planned = steps < m_steps ? steps : m_steps - 1;
        g.used_blocks = m_config->usable_blocks - m_blocks.free() + allocations(planned);
        return g;
    }

private:
    enum class Activity : std::uint8_t { idle, waking, decoding, mixed };

    [[nodiscard]] WT_HD std::uint32_t block_size() const {
        return static_cast<std::uint32_t>(m_config->block_size);
    }

    /// Ticks of the first n steps of the jump.
    [[nodiscard]] WT_HD Tick duration(std::int64_t n) const {
        return {n * m_first_step.count + m_step_growth * (n * (n - 1) / 2)};
    }

    /// How many steps of the jump have ended at or before `now`: the largest n with from + duration(n) <=
    /// now.
    [[nodiscard]] WT_HD std::int64_t steps_done_by(Tick now) const {
        std::int64_t low = 0, high = m_steps + 1;
        while (high - low > 1) {
            const std::int64_t middle = (low + high) / 2;
            if (m_from + duration(middle) <= now)
                low = middle;
            else
                high = middle;
        }
        return low;
    }

    /// Ends the jump at the first boundary at or after `now`.
    WT_HD void cut(Tick now) {
        if (m_activity != Activity::decoding || m_steps == 1) return;
        std::int64_t low = 0,
                     high = m_steps;  // from + duration(low) < now <= from + duration(high), or high = all
        while (high - low > 1) {
            const std::int64_t middle = (low + high) / 2;
            if (m_from + duration(middle) < now)
                low = middle;
            else
                high = middle;
        }
        m_steps = high;
        m_until = m_from + duration(high);
    }

    /// Blocks that the decodes take in the `n` steps after the one that was planned (its own are taken).
    [[nodiscard]] WT_HD std::int64_t allocations(std::int64_t n) const {
        if (n <= 0) return 0;
        const std::uint32_t size = block_size();
        std::int64_t blocks = n / size * m_batch;
        std::uint32_t at = m_step_in_block;
        for (std::int64_t rest = n % size; rest > 0; --rest) {
            at = at + 1 == size ? 0 : at + 1;
            blocks += m_phase_count[at];
        }
        return blocks;
    }

    /// How many of the next `limit` steps after the planned one can take their blocks from what is free.
    [[nodiscard]] WT_HD std::int64_t steps_with_blocks(std::int64_t limit) const {
        const std::uint32_t size = block_size();
        if ((limit + size - 1) / size * m_batch <= m_blocks.free()) return limit;
        std::int64_t free = m_blocks.free(), steps = free / m_batch * size;
        free -= free / m_batch * m_batch;
        std::uint32_t at = m_step_in_block;
        while (steps < limit) {
            at = at + 1 == size ? 0 : at + 1;
            if (m_phase_count[at] > free) break;
            free -= m_phase_count[at];
            ++steps;
        }
        return steps < limit ? steps : limit;
    }

    /// Tokens that a decoding job has made, `steps` steps after the present boundary.
    [[nodiscard]] WT_HD std::uint32_t outputs_of(const Job& job, std::int64_t steps) const {
        return job.output_tokens - (job.end_step - m_steps_done - static_cast<std::uint32_t>(steps));
    }
    /// Tokens whose KV a decoding job has, at the present boundary.
    [[nodiscard]] WT_HD std::int64_t computed(const Job& job) const {
        return static_cast<std::int64_t>(job.prompt_tokens) + job.output_tokens - 1 -
               (job.end_step - m_steps_done);
    }
    /// The position in the block cycle at which a job with `tokens` computed now takes a new block.
    [[nodiscard]] WT_HD std::uint32_t phase(std::int64_t tokens) const {
        const std::uint32_t size = block_size();
        const std::uint32_t filled = static_cast<std::uint32_t>(tokens) % size;
        return m_step_in_block >= filled ? m_step_in_block - filled : m_step_in_block + size - filled;
    }

    // ---- the end of a step or jump -------------------------------------------------------------------

    template <class Sink>
    WT_HD void commit(Pool& pool, Sink& sink, Fault& fault, Tick now) {
        m_totals.busy += now - m_from;
        if (m_activity == Activity::decoding) {
            sink.gaps(m_first_step, Tick{m_step_growth}, m_steps, m_batch);
            m_blocks.take(pool, allocations(m_steps - 1));
        } else if (m_batch > 0) {
            sink.gaps(now - m_from, Tick{}, 1, m_batch);
        }
        m_context += m_steps * m_batch;
        m_totals.generation_tokens += static_cast<std::uint64_t>(m_steps) * m_batch;
        m_steps_done += static_cast<std::uint32_t>(m_steps);
        m_step_in_block = (m_step_in_block + static_cast<std::uint32_t>(m_steps)) % block_size();

        if (m_blocks.caching()) {
            end_decodes_in_order(pool, sink, now);
        } else {
            while (!m_heap.empty() && m_heap.first_step() == m_steps_done) end_decode(pool, sink, m_heap.pop(), now);
        }
        for (std::uint32_t i = 0; i < m_fresh_count; ++i) end_prefill(pool, sink, m_fresh[i], now);
        m_fresh_count = 0;
        while (m_order_size > 0 && m_order[m_order_size - 1] == no_job) --m_order_size;
        (void)WT_CHECK(fault, m_steps_done < 0xf0000000u);
        if (m_running == 0) m_steps_done = m_step_in_block = 0;  // an empty engine starts counting anew
    }

    template <class Sink>
    WT_HD void end_decode(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        leave_decode(pool, index);
        leave(pool, index);
        sink.finished(index, now);
    }
    /// In the order of their admission, which is the order in which their blocks are taken again.
    template <class Sink>
    WT_HD void end_decodes_in_order(Pool& pool, Sink& sink, Tick now) {
        std::uint32_t end = m_fresh_count;  // behind the jobs that stand there: all of them run
        for (; !m_heap.empty() && m_heap.first_step() == m_steps_done; ++end) {
            const JobIndex index = m_heap.pop();
            std::uint32_t at = end;
            for (; at > m_fresh_count && pool[m_fresh[at - 1]].place > pool[index].place; --at)
                m_fresh[at] = m_fresh[at - 1];
            m_fresh[at] = index;
        }
        for (std::uint32_t i = m_fresh_count; i < end; ++i) end_decode(pool, sink, m_fresh[i], now);
    }

    /// The step that computed the last of its tokens ends: it samples one.
    template <class Sink>
    WT_HD void end_prefill(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        Job& job = pool[index];
        if (job.outputs == 0) {
            job.first_token = now;
            m_totals.prompt_tokens += job.prompt_tokens;
            sink.first_token(index, now);
        } else {
            sink.gaps(now - job.last_token, Tick{}, 1, 1);
        }
        ++m_totals.generation_tokens;
        ++job.outputs;
        const std::int64_t tokens = static_cast<std::int64_t>(job.prompt_tokens) + job.outputs - 1;
        if (job.outputs == job.output_tokens) {
            free_blocks_of(pool, index, tokens, false);
            leave(pool, index);
            sink.finished(index, now);
            return;
        }
        job.state = JobState::decoding;
        job.end_step = m_steps_done + (job.output_tokens - job.outputs);
        m_heap.push(job.end_step, index);
        ++m_phase_count[phase(tokens)];
        ++m_batch;
        m_context += tokens + 1;
    }

    /// Takes a decoding job out of the batch and frees its blocks; the heap entry is the caller's business.
    WT_HD void leave_decode(Pool& pool, JobIndex index, bool comes_back = false) {
        const std::int64_t tokens = computed(pool[index]);
        free_blocks_of(pool, index, tokens, comes_back);
        --m_phase_count[phase(tokens)];
        --m_batch;
        m_context -= tokens + 1;
    }
    /// Frees the blocks of a job with so many tokens computed.
    WT_HD void free_blocks_of(Pool& pool, JobIndex index, std::int64_t tokens, bool comes_back) {
        m_blocks.release(pool, index, m_config->blocks_for(tokens), static_cast<std::uint32_t>(tokens) / block_size(),
                         comes_back);
    }
    WT_HD void leave(Pool& pool, JobIndex index) {
        m_order[pool[index].place] = no_job;
        --m_running;
    }

    /// Rare: takes a new configuration, and walks everything this server holds to let the aborted jobs go.
    template <class Sink>
    WT_HD_COLD void do_boundary_work(Pool& pool, Sink& sink, Tick now) {
        m_boundary_work = false;
        m_config = m_next_config;
        for (std::uint32_t i = 0; i < m_order_size; ++i) {
            const JobIndex index = m_order[i];
            if (index == no_job || !pool[index].aborted) continue;
            Job& job = pool[index];
            if (index == m_partial) {
                free_blocks_of(pool, index, job.computed, false);
                m_partial = no_job;
            } else {
                m_heap.remove(job.end_step, index);
                leave_decode(pool, index);
                job.outputs = outputs_of(job, 0);
            }
            leave(pool, index);
            sink.aborted(index, now);
        }
        while (m_order_size > 0 && m_order[m_order_size - 1] == no_job) --m_order_size;
        for (JobIndex i = m_waiting.head; i != no_job;) {
            const JobIndex after = pool[i].next;
            if (pool[i].aborted) {
                m_waiting.remove(pool, i);
                m_blocks.leave_queue(pool, i);
                sink.aborted(i, now);
            }
            i = after;
        }
    }

    // ---- the start of a step or jump -----------------------------------------------------------------

    WT_HD void plan(Pool& pool, Fault& fault, Tick now) {
        m_from = now;
        m_steps = 1;
        if (m_running == 0 && m_waiting.empty()) {
            m_activity = Activity::idle;
            m_until = never;
            m_waiting_at_boundary = 0;
            return;
        }
        std::int64_t budget = m_config->max_num_batched_tokens - static_cast<std::int64_t>(m_batch);
        std::int64_t chunk = 0;
        const bool preempted = allocate_running(pool, fault, budget, chunk);
        if (fault.broken()) return;
        std::int64_t pairs = 0, tokens = m_batch + chunk;
        if (chunk > 0) {
            Job& job = pool[m_partial];
            pairs = chunk * job.computed + chunk * (chunk + 1) / 2;
            job.computed += static_cast<std::uint32_t>(chunk);
            budget -= chunk;
            m_blocks.enter_full(pool, m_partial);
            if (job.computed == job.prompt_tokens + job.outputs) become_fresh(pool, m_partial);
        }
        if (!preempted) admit(pool, budget, tokens, pairs);
        m_waiting_at_boundary = m_waiting.size;

        if (m_fresh_count == 0 && tokens == m_batch) {
            if (!WT_CHECK(fault, m_batch > 0)) return;  // the door let nothing in that the pool cannot hold
            m_activity = Activity::decoding;
            plan_jump(preempted);
        } else {
            m_activity = Activity::mixed;
            m_until = now + m_config->mixed_step_time(tokens, m_batch + m_fresh_count, pairs,
                                                      m_batch > 0 ? m_context : 0);
        }
    }

    /// Part A. Takes this step's blocks for the decodes and the prefill in progress (`chunk` tokens of it),
    /// preempting from the back until they suffice. Walking the list in order and preempting the last at each
    /// shortage ends with the same survivors: the shortest suffix whose removal leaves enough for the rest.
    [[nodiscard]] WT_HD bool allocate_running(Pool& pool, Fault& fault, std::int64_t& budget,
                                              std::int64_t& chunk) {
        bool preempted = false;
        for (;;) {
            std::int64_t need = m_phase_count[m_step_in_block];
            chunk = 0;
            if (m_partial != no_job) {
                const Job& job = pool[m_partial];
                const std::int64_t rest =
                    static_cast<std::int64_t>(job.prompt_tokens) + job.outputs - job.computed;
                chunk = rest < budget ? rest : budget;
                need += m_config->blocks_for(job.computed + chunk) - m_config->blocks_for(job.computed);
            }
            if (need <= m_blocks.free()) {
                m_blocks.take(pool, need);
                return preempted;
            }
            if (!WT_CHECK(fault, m_order_size > 0)) return preempted;
            preempt_last(pool);
            budget = m_config->max_num_batched_tokens - static_cast<std::int64_t>(m_batch);
            preempted = true;
        }
    }

    WT_HD_COLD void preempt_last(Pool& pool) {
        const JobIndex index = m_order[m_order_size - 1];
        Job& job = pool[index];
        if (index == m_partial) {
            free_blocks_of(pool, index, job.computed, true);
            m_partial = no_job;
        } else {
            job.outputs = job.output_tokens - (job.end_step - m_steps_done);
            job.last_token = m_from;
            m_heap.remove(job.end_step, index);
            leave_decode(pool, index, true);
        }
        job.computed = 0;
        job.state = JobState::waiting;
        --m_running;
        do --m_order_size;
        while (m_order_size > 0 && m_order[m_order_size - 1] == no_job);
        m_waiting.push_front(pool, index);
        ++m_totals.preemptions;
    }

    /// Part B: the head of the queue, and the next, while they fit.
    WT_HD void admit(Pool& pool, std::int64_t budget, std::int64_t& tokens, std::int64_t& pairs) {
        while (!m_waiting.empty() && budget > 0 &&
               m_running < static_cast<std::uint32_t>(m_config->max_num_seqs)) {
            const JobIndex index = m_waiting.head;
            Job& job = pool[index];
            const std::int64_t whole = static_cast<std::int64_t>(job.prompt_tokens) + job.outputs;
            const typename KvBlocks<Layout>::Found found = m_blocks.find(pool, index, whole);
            const std::int64_t cached = found.blocks() * m_config->block_size, rest = whole - cached;
            const std::int64_t chunk = rest < budget ? rest : budget;
            if (chunk < rest && !m_config->chunked_prefill) break;
            const std::int64_t need = m_config->blocks_for(cached + chunk) - found.blocks();
            const std::int64_t kept = m_running > 0 ? m_config->watermark_blocks : 0;
            if ((m_config->reserve_full_sequence ? m_config->blocks_for(whole) - found.in_use : need + found.idle()) +
                    kept >
                m_blocks.free())
                break;
            m_waiting.pop_front(pool);
            m_blocks.take_found(pool, index, found, m_totals);
            m_blocks.take(pool, need);
            budget -= chunk;
            tokens += chunk;
            pairs += chunk * cached + chunk * (chunk + 1) / 2;
            job.computed = static_cast<std::uint32_t>(cached + chunk);
            m_blocks.enter_full(pool, index);
            ++m_running;
            if (m_order_size == 2 * static_cast<std::uint32_t>(m_config->max_num_seqs)) close_gaps(pool);
            job.place = m_order_size;
            m_order[m_order_size++] = index;
            if (chunk == rest) {
                become_fresh(pool, index);
            } else {
                job.state = JobState::prefilling;
                m_partial = index;
            }
        }
    }

    WT_HD void become_fresh(Pool& pool, JobIndex index) {
        pool[index].state = JobState::fresh;
        m_fresh[m_fresh_count++] = index;
        if (m_partial == index) m_partial = no_job;
    }

    /// Moves the order of admission together over the places of jobs that left.
    WT_HD_COLD void close_gaps(Pool& pool) {
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < m_order_size; ++i) {
            const JobIndex index = m_order[i];
            if (index == no_job) continue;
            pool[index].place = kept;
            m_order[kept++] = index;
        }
        m_order_size = kept;
    }

    /// The step just planned is pure decode; finds how many follow that are too.
    WT_HD void plan_jump(bool preempted) {
        const ServerConfig& config = *m_config;
        const std::uint32_t segment = config.segment_of(m_context);
        const ContextSegment& s = config.attention[segment];
        m_first_step = config.decode_step[m_batch];
        m_first_step.count += s.at_from.count + s.ticks_per_token * (m_context - s.from_tokens);
        m_step_growth = s.ticks_per_token * m_batch;
        std::int64_t steps = static_cast<std::int64_t>(m_heap.first_step()) - m_steps_done;
        if (preempted) steps = 1;  // the queue was not looked at: the next boundary may admit
        if (steps > longest_jump) steps = longest_jump;
        if (steps > 1 && segment + 1 < config.attention.count) {
            const std::int64_t room = config.attention[segment + 1].from_tokens - m_context;  // > 0
            const std::int64_t inside = (room + m_batch - 1) / m_batch;
            if (inside < steps) steps = inside;
        }
        if (steps > 1) steps = 1 + steps_with_blocks(steps - 1);
        m_steps = steps;
        m_until = m_from + duration(steps);
    }

    [[nodiscard]] WT_HD ServerGauges counters_at(Tick now) const {
        ServerGauges g = m_totals;
        if (m_activity == Activity::decoding || m_activity == Activity::mixed) g.busy += now - m_from;
        if (m_activity == Activity::decoding)
            g.generation_tokens += static_cast<std::uint64_t>(steps_done_by(now)) * m_batch;
        return g;
    }

    static constexpr std::int64_t longest_jump = 1 << 16;

    const ServerConfig* m_config = nullptr;
    const ServerConfig* m_next_config = nullptr;  ///< what it becomes at the next boundary with work
    StepHeap<Layout> m_heap;               ///< decoding jobs by the step at which they are done
    ArenaArray<JobIndex, Layout> m_order;  ///< running jobs by admission; no_job where one left
    ArenaArray<JobIndex, Layout> m_fresh;  ///< jobs that get a token from the prefill in this step
    ArenaArray<std::uint32_t, Layout>
        m_phase_count;  ///< decodes by the step (mod block) at which they take a block
    JobQueue<Layout> m_waiting;
    KvBlocks<Layout> m_blocks;
    JobIndex m_partial = no_job;  ///< the one job in the middle of its prefill
    std::uint32_t m_order_size = 0;
    std::uint32_t m_fresh_count = 0;
    std::uint32_t m_running = 0;  ///< decoding + fresh + partial
    std::uint32_t m_batch = 0;    ///< decoding jobs, B
    std::uint32_t m_steps_done = 0;
    std::uint32_t m_step_in_block = 0;  ///< m_steps_done mod block_size
    std::int64_t m_context = 0;         ///< S: context of the decodes in the planned step
    Tick m_from;                        ///< the boundary at which the jump starts
    Tick m_until;                       ///< and ends
    std::int64_t m_steps = 1;
    Tick m_first_step;                       ///< c + k S
    std::int64_t m_step_growth = 0;          ///< k B
    std::int64_t m_waiting_at_boundary = 0;  ///< queue length right after the last planning
    ServerGauges m_totals;                   ///< counters up to m_from; gauges unused
    Activity m_activity = Activity::idle;
    bool m_boundary_work = false;  ///< something is to be done at the next boundary besides the step
};

}  // namespace windtunnel
