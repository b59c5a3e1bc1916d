#pragma once
#include "models/prefill_first.hpp"
#include "models/remote_kv.hpp"

namespace windtunnel {

/// A vLLM V1 engine (vllm.md, sections 1 and 2), exact, without running every step.
///
/// One step is scheduled (`schedule`) and, when it ends, delivers tokens (`deliver`):
///   A. every running sequence, in order of admission, gets its next token or prefill chunk under the token
///      budget, taking KV blocks as it crosses a block's border; while a block is missing, a victim is
///      preempted (the sequence admitted last, or by priority): its blocks are freed, it goes back to the
///      queue, keeps its outputs and will be prefilled again;
///   B. unless A preempted, the queue's head is admitted while budget, a sequence slot and blocks for its
///      first chunk last; the first that does not fit stops the loop;
///   the step's time follows from what was scheduled; at its end every sequence whose tokens are
///   all computed gets one token, and those that have all their tokens leave.
///
/// Synchronous scheduling plans step k + 1 when step k has ended. Asynchronous scheduling (1.13) plans step k
/// + 2 then, while step k + 1, which was planned before, starts on the GPU: it counts on the tokens of step k
/// + 1 that are still on their way (`settle_step` makes them part of the plan's state), but frees nothing and
/// admits nobody for them.
///
/// With pipeline stages as many batches are in flight as there are stages. A sequence is in one of them at a
/// time, so that its next token is asked for when its last has come out; a prompt's next chunk may follow the
/// one before through the stages. These steps are walked one by one.
///
/// Between two changes of the batch a decode step differs from the one before only in its context, which
/// grows by one token a row: n steps take n*c + k*B*n(n-1)/2 ticks. So `plan` proves how many steps are pure
/// decode (no prefill; the queue empty, or its head refused after this step's own allocations, which only
/// get tighter; no completion, no block shortage, no cost breakpoint inside) and makes one *jump* of them. An
/// arrival that could be admitted cuts the jump at the first boundary at or after it. Extra cuts change
/// nothing.
///
/// A model: it never schedules itself. `next_change()` says when it next changes by itself; the owner calls
/// `advance` at exactly that time. `Sink` hears what happened to jobs:
///   first_token(job, t), gaps(first, increment, steps, rows), finished(job, t), aborted(job, t)
template <class Layout>
class BatchServer : private EngineSchedule<Layout> {
    using Schedule = EngineSchedule<Layout>;

public:
    using typename Schedule::Pool;

    /// Takes the arrays for servers with up to these limits. Call once per trial.
    /// `cached_blocks`: how many of its KV blocks others may find again; `caching`: it caches prefixes at
    /// all; `stages`: of its pipeline; `windows`: layers see a part of the context;
    /// `listed`: blocks of a prompt that each job lists, where prompts are computed in turns or come from
    /// elsewhere (`receives`); `grouped`: where windows act beside cached prefixes.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t max_num_seqs, std::int32_t block_size,
                                bool caching = false, std::int64_t cached_blocks = 0,
                                std::int32_t stages = 1, bool windows = false, std::int64_t listed = 0,
                                bool receives = false, const GroupCacheSizes& grouped = {}) {
        this->take_schedule_memory(arena, max_num_seqs, block_size, caching, cached_blocks, stages, windows,
                                   listed, receives, grouped);
    }

    /// A freshly started engine: empty pool, empty queue, counters at zero.
    WT_HD_COLD void start(const ServerConfig& config) {
        this->start_schedule(config);
        m_next_config = &config;
        m_synchronous = !config.asynchronous;
        m_listed = m_blocks.caching() || config.in_turn();
        m_activity = Activity::idle;
        m_until = never;
        m_current = m_next = {};
        m_waiting_at_boundary = 0;
        m_boundary_work = false;
    }

    [[nodiscard]] WT_HD Tick next_change() const { return m_until; }
    /// Requests it holds, queued or running.
    [[nodiscard]] WT_HD std::uint32_t in_flight() const { return m_running + queued() + m_swap.size(); }
    /// It has raised an error that it does not survive (V0 without swap space left): its process is to be killed.
    [[nodiscard]] WT_HD bool died() const { return m_swap.overrun(); }
    /// What vLLM balances data parallel engines by.
    [[nodiscard]] WT_HD std::uint32_t load() const { return m_running + 4 * queued(); }
    [[nodiscard]] WT_HD std::int64_t free_blocks() const { return m_blocks.free(); }
    [[nodiscard]] WT_HD std::uint64_t preemptions() const { return m_totals.preemptions; }
    /// Counters that change at boundaries only, so that they need no time: not busy and generation_tokens.
    [[nodiscard]] WT_HD const ServerGauges& totals() const { return m_totals; }

    /// A request arrives. An idle engine wakes at the same instant, after everything else that arrives then;
    /// a busy one looks at its queue at the first boundary at or after `seen_from`: `now`, or one tick later
    /// when a boundary at `now` would already have been passed (it arrived after the steps of this instant).
    WT_HD void arrive(Pool& pool, JobIndex index, Tick now, Tick seen_from) {
        Job& job = pool[index];
        job.state = job.computed == 0 ? JobState::waiting : JobState::remote;
        pool.note_queued(index, seen_from);
        m_blocks.arrive(pool, index);
        if (m_config->by_priority)
            insert_by_priority(pool, index);
        else
            m_waiting.push_back(pool, index);
        if (m_activity == Activity::idle) {
            m_activity = Activity::waking;
            m_from = m_until = now;
        } else if ((m_waiting.head == index &&
                    m_running < static_cast<std::uint32_t>(m_config->max_num_seqs)) ||
                   m_config->extra_cuts) {
            cut(seen_from);
        }
    }

    /// The client of a job that this server holds has gone: the job leaves at the first boundary from
    /// `seen_from` on.
    WT_HD void abort(Pool& pool, JobIndex index, Tick seen_from) {
        pool[index].aborted = 1;
        if (pool[index].state == JobState::receiving) return;  // when its blocks are not written to any more
        m_boundary_work = true;
        wake(seen_from);
        cut(seen_from);
    }

    /// The KV of a job's prompt has come (`whole`), or never will.
    WT_HD_COLD void end_reception(Pool& pool, JobIndex index, bool whole, Tick now, Tick seen_from) {
        Job& job = pool[index];
        if (job.state != JobState::remote && job.state != JobState::receiving) return;  // it found all of it here
        if (!whole) job.computed = 0;
        if (job.state == JobState::remote)
            job.state = JobState::waiting;
        else
            this->queue_received(pool, index);
        if (job.aborted) m_boundary_work = true;
        wake(now);
        if (m_waiting.head == index || job.aborted || m_config->extra_cuts) cut(seen_from);
    }
    /// Prompt tokens of a job that is with no server which its prefix cache would spare it.
    [[nodiscard]] WT_HD_COLD std::int64_t cached_tokens(Pool& pool, JobIndex index) const {
        m_blocks.arrive(pool, index);
        return m_blocks.find(pool, index, pool[index].prompt_tokens).blocks() * m_config->block_size;
    }

    /// Steps that are scheduled at the first boundary at or after `seen_from` or later cost what `config`
    /// says. Its limits are those of the present one.
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
    WT_HD_CALL void advance(Pool& pool, Sink& sink, Fault& fault) {
        const Tick now = m_until;
        m_single = false;
        if (m_flights.pipelined()) return advance_pipeline(pool, sink, fault, now);
        if (m_activity != Activity::waking) {
            if (m_synchronous) {
                end_steps(pool, sink, now);
            } else {
                deliver(pool, sink, now);
                m_current = m_next;
                if (m_steps > 1)
                    m_current.time = decode_time(m_batch.context() + (m_steps - 1) * m_batch.size());
                if (m_current.there) settle_step(pool, m_steps);
            }
            if (!WT_CHECK(fault, !m_batch.counted_out())) return;
            if (m_running == 0) m_batch.rest();  // an empty engine starts counting anew
        }
        if (m_boundary_work) do_boundary_work(pool, sink, now);
        plan(pool, fault, now);
        if (m_unannounced != no_job) announce(pool, sink, now);
    }

    /// Reports the token gaps of the jump's steps that have ended by `now`; the jump is not going to end
    /// itself.
    template <class Sink>
    WT_HD void settle(Sink& sink, Tick now) const {
        if (m_activity != Activity::decoding) return;
        const std::int64_t steps = steps_done_by(now);
        if (steps > 0) sink.gaps(m_current.time, Tick{m_step_growth}, steps, m_current.live);
    }

    /// The process is killed: every job it holds ends as `lost`, and the engine is gone until `start`.
    template <class Sink>
    WT_HD_COLD void kill(Pool& pool, Sink& sink, Tick now) {
        settle(sink, now);
        m_totals = counters_at(now);
        // What is counted on but still on its way is lost too.
        const std::uint32_t done =
            m_activity == Activity::decoding ? static_cast<std::uint32_t>(steps_done_by(now)) : 0;
        for (std::uint32_t i = 0; i < m_landing_count; ++i)
            if (m_landing[i] != no_job && !on_its_way(pool[m_landing[i]]) && !this->late())
                --pool[m_landing[i]].outputs;
        for (std::uint32_t i = 0; i < m_order_size; ++i) {
            const JobIndex index = m_order[i];
            if (index == no_job) continue;
            Job& job = pool[index];
            if (in_batch(job)) job.outputs = m_batch.outputs(job) + done;
            if (on_its_way(job) || (job.state == JobState::stalled && job.last_token > now)) --job.outputs;
            sink.lost(index, now);
        }
        for (; !m_swap.empty(); m_swap.take_first(pool)) sink.lost(m_swap.first(), now);
        while (!m_waiting.empty()) {
            const JobIndex index = m_waiting.pop_front(pool);
            Job& job = pool[index];
            if (job.outputs > 0 && (job.last_token > now || job.outputs == job.output_tokens)) --job.outputs;
            sink.lost(index, now);
        }
        while (!m_receiving.empty()) sink.lost(m_receiving.pop_front(pool), now);
        while (!m_unread.empty()) sink.lost(m_unread.pop_front(pool), now);
        const ServerGauges totals = m_totals;
        start(*m_next_config);
        m_totals = totals;
    }

    /// What a scrape at `now` reads: the state of the last boundary at or before it, without ending a jump.
    [[nodiscard]] WT_HD_COLD ServerGauges gauges(const Pool& pool, Tick now) const {
        ServerGauges g = counters_at(now);
        if (m_activity == Activity::idle || m_activity == Activity::waking) {
            g.waiting = m_waiting_at_boundary;
            g.used_blocks = m_config->usable_blocks - m_blocks.free();
            return g;
        }
        const std::int64_t steps = m_activity == Activity::decoding ? steps_done_by(now) : 0;
        g.running = m_running;
        g.waiting = m_waiting_at_boundary;
        g.swapped = m_swap.size();
        g.swap_blocks = m_swap.used_blocks();
        if (steps > 0) {  // a later boundary of the jump: it saw the arrivals up to then
            const Tick boundary = m_from + duration(steps);
            g.waiting = queued();
            for (JobIndex i = m_waiting.tail; i != no_job; i = pool[i].previous) {
                if (pool[i].last_token > boundary)
                    --g.waiting;
                else if (!m_config->by_priority)
                    break;
            }
        }
        // Boundary `steps` has also allocated for the step it started, unless the jump ended there.
        const std::int64_t planned = steps < m_steps ? steps : m_steps - 1;
        g.used_blocks = m_config->usable_blocks - m_blocks.free() + m_batch.allocations(planned);
        return g;
    }

private:
    using Schedule::in_batch, Schedule::on_its_way, Schedule::settle_step, Schedule::take_out,
        Schedule::leave;
    using Schedule::m_flights, Schedule::m_loose, Schedule::m_fresh, Schedule::m_fresh_count;
    using Schedule::m_batch, Schedule::m_blocks, Schedule::m_config, Schedule::m_done, Schedule::m_done_count;
    using Schedule::m_landing, Schedule::m_landing_count, Schedule::m_order, Schedule::m_order_size;
    using Schedule::m_preempted, Schedule::m_running, Schedule::m_totals, Schedule::m_waiting;
    using Schedule::m_swap, Schedule::m_wait_count, Schedule::m_wait_rows, Schedule::m_waits;
    using Schedule::m_receiving, Schedule::m_unread, Schedule::m_unannounced;
    using Schedule::trim_order, Schedule::lands, Schedule::drop, Schedule::schedule,
        Schedule::insert_by_priority;
    using typename Schedule::Step;

    enum class Activity : std::uint8_t { idle, waking, pausing, decoding, mixed };

    /// Ticks of the first n steps of the jump.
    [[nodiscard]] WT_HD Tick duration(std::int64_t n) const {
        return {n * m_current.time.count + m_step_growth * (n * (n - 1) / 2)};
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

    [[nodiscard]] WT_HD std::uint32_t queued() const { return m_waiting.size + m_receiving.size; }
    WT_HD void wake(Tick at) {
        if (m_activity != Activity::idle) return;
        m_activity = Activity::waking;
        m_from = m_until = at;
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

    // ---- the end of a step or jump -------------------------------------------------------------------

    /// Synchronous scheduling: what was planned has ended, and all that it brings is there.
    template <class Sink>
    WT_HD void end_steps(Pool& pool, Sink& sink, Tick now) {
        if (m_listed) {
            settle_step(pool, m_steps);
            return deliver(pool, sink, now);
        }
        // The same, without the lists of what is on its way.
        const std::uint32_t fresh = m_fresh_count;
        m_fresh_count = 0;
        report_gaps(sink, now);
        this->advance_batch(pool, m_steps);
        while (m_batch.one_is_done()) {
            const JobIndex index = m_batch.pop_done();
            m_batch.leave(pool[index], index);
            finish_running(pool, sink, index, now);
        }
        for (std::uint32_t i = 0; i < fresh; ++i) {
            const JobIndex index = m_fresh[i];
            Job& job = pool[index];
            ++job.outputs;
            land(pool, sink, index, now);
            job.state = JobState::decoding;
            if (job.outputs != job.output_tokens)
                m_batch.join(job, index);
            else
                finish_running(pool, sink, index, now);
        }
        trim_order();
    }
    template <class Sink>
    WT_HD_CALL void finish_running(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        if (m_config->hands_over) return finish_unread(pool, sink, index, now);
        m_blocks.release(pool, index, m_config->blocks_for(pool[index].computed), 0, false);
        leave(pool, index);
        sink.finished(index, now);
    }

    /// Its blocks wait for the server that goes on with it (vllm.md 1.11).
    template <class Sink>
    WT_HD_COLD void finish_unread(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        Job& job = pool[index];
        job.end_step = static_cast<std::uint32_t>(this->blocks_of(job, 0));
        job.state = JobState::unread;
        leave(pool, index);
        m_unread.push_back(pool, index);
        sink.finished(index, now);
    }
    /// Says which jobs wait for KV from now on.
    template <class Sink>
    WT_HD_COLD void announce(Pool& pool, Sink& sink, Tick now) {
        while (m_unannounced != no_job) {
            const JobIndex index = m_unannounced;
            m_unannounced = pool[index].next;
            sink.wants_kv(index, now);
        }
    }

    template <class Sink>
    WT_HD_CALL void deliver(Pool& pool, Sink& sink, Tick now) {
        report_gaps(sink, now);
        for (std::uint32_t i = 0; i < m_landing_count; ++i)
            if (m_landing[i] != no_job) land_token(pool, sink, m_landing[i], now);
        m_landing_count = 0;
        if (this->late()) trim_order();
        if (m_done_count == 0) return;
        if (m_blocks.caching())
            sort_done(pool);  // blocks are taken again in the order in which they are freed
        for (std::uint32_t i = 0; i < m_done_count; ++i)
            if (m_done[i] != no_job) finish(pool, sink, m_done[i], now);
        m_done_count = 0;
        trim_order();
    }
    /// The tokens of the decode batch.
    template <class Sink>
    WT_HD void report_gaps(Sink& sink, Tick now) {
        if (m_activity != Activity::pausing) m_totals.busy += now - m_from - m_steps * m_config->host_wait;
        if (m_current.live > 0) {
            if (m_wait_rows > 0)
                end_waits(sink, now);
            else if (m_activity == Activity::decoding)
                sink.gaps(m_current.time, Tick{m_step_growth}, m_steps, m_current.live);
            else
                sink.gaps(now - m_from, Tick{}, 1, m_current.live);
            m_totals.generation_tokens += static_cast<std::uint64_t>(m_steps) * m_current.live;
        }
    }
    /// Those that waited for prompts got their token later than the step alone took.
    template <class Sink>
    WT_HD void end_waits(Sink& sink, Tick now) {
        for (std::uint32_t i = 0; i < m_wait_count; ++i)
            sink.gaps(now - m_waits[i].since, Tick{}, 1, m_waits[i].rows);
        if (m_current.live > m_wait_rows) sink.gaps(now - m_from, Tick{}, 1, m_current.live - m_wait_rows);
        m_wait_count = m_wait_rows = 0;
    }
    template <class Sink>
    WT_HD void land_token(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        if (!this->drafting()) return land(pool, sink, index, now);
        if (this->late()) return land_drafts(pool, sink, index, now);
        land(pool, sink, index, now, this->m_given[pool[index].place]);
    }
    template <class Sink>
    WT_HD_COLD void land_drafts(Pool& pool, Sink& sink, JobIndex index, Tick now);  // models/draft_steps.hpp
    /// The token of a step that computed the last of a job's tokens.
    template <class Sink>
    WT_HD void land(Pool& pool, Sink& sink, JobIndex index, Tick now, std::uint32_t tokens = 1) {
        Job& job = pool[index];
        if (job.first_token == never) {
            job.first_token = now;
            m_totals.prompt_tokens += job.prompt_tokens;
            sink.first_token(index, now);
        } else {
            sink.gaps(now - job.last_token, Tick{}, 1, 1);
        }
        if (tokens > 1) sink.gaps(Tick{}, Tick{}, tokens - 1, 1);  // those that were accepted come with it
        m_totals.generation_tokens += tokens;
        job.last_token = now;
        if (job.state == JobState::landing) job.state = JobState::decoding;
    }
    template <class Sink>
    WT_HD_CALL void finish(Pool& pool, Sink& sink, JobIndex index, Tick now) {
        Job& job = pool[index];
        if (job.state == JobState::waiting) {  // preempted after its last token was planned
            m_waiting.remove(pool, index);
            m_blocks.leave_queue(pool, index);
        } else {
            std::int64_t held = 0;
            if (job.state ==
                JobState::overrunning) {  // the step behind has its row, whose token nobody wants
                --m_next.live;
                held = 1;
            }
            take_out(job, index);
            if (m_config->hands_over) return finish_unread(pool, sink, index, now);
            m_blocks.release(pool, index, this->blocks_of(job, held), 0, false);
            leave(pool, index);
        }
        sink.finished(index, now);
    }
    /// In the order of their admission.
    WT_HD_COLD void sort_done(Pool& pool) {
        for (std::uint32_t i = 1; i < m_done_count; ++i) {
            const JobIndex index = m_done[i];
            if (index == no_job) continue;
            std::uint32_t at = i;
            for (; at > 0 && (m_done[at - 1] == no_job || pool[m_done[at - 1]].place > pool[index].place);
                 --at)
                m_done[at] = m_done[at - 1];
            m_done[at] = index;
        }
    }

    template <class Sink>
    WT_HD_COLD void do_boundary_work(Pool& pool, Sink& sink, Tick now);

    // ---- pipeline stages (models/pipeline_steps.hpp) ----------------------------------------------------

    template <class Sink>
    WT_HD_COLD void advance_pipeline(Pool& pool, Sink& sink, Fault& fault, Tick now);
    template <class Sink>
    WT_HD_COLD void land_oldest(Pool& pool, Sink& sink, Tick now);

    // ---- the start of a step or jump -----------------------------------------------------------------

    WT_HD_HOT void plan(Pool& pool, Fault& fault, Tick now) {
        m_from = now;
        m_steps = 1;
        m_step_growth = 0;
        if (m_synchronous) {
            schedule(pool, fault, now, m_current);
        } else {
            if (!m_current.there) {  // nothing is on the GPU
                schedule(pool, fault, now, m_current);
                if (m_current.there) settle_step(pool, 1);
            }
            m_next.there = false;
            if (m_current.there && !fault.broken()) schedule(pool, fault, now + m_current.time, m_next);
        }
        if (fault.broken()) return;
        m_waiting_at_boundary = queued();
        if (died()) {
            m_activity = Activity::idle;
            m_until = never;
            return;
        }
        if (!m_current.there) return rest_or_pause(fault, now);
        m_batch.expect_done(pool);
        m_activity = m_current.decodes ? Activity::decoding : Activity::mixed;
        m_until = now + m_current.time;
        if (!m_current.batch_only || m_preempted || m_single || m_wait_rows > 0)
            return;  // a queue that was not looked at may move
        if (m_synchronous)
            plan_jump(pool, m_batch.context());
        else if (m_next.there && m_next.batch_only && m_current.rows == m_next.rows && m_landing_count == 0 &&
                 m_done_count == 0)
            plan_jump(pool, m_batch.context() - m_batch.size());
    }

    /// There is nothing to run.
    WT_HD void rest_or_pause(Fault& fault, Tick now) {
        const bool empty = m_running == 0 && m_waiting.empty() && m_swap.empty();
        // The door let nothing in that the pool cannot hold; one that gave way to others waits for them, and so
        // do those for which there is room when blocks have been read or written.
        if (!WT_CHECK(fault, empty || m_preempted || this->holds_for_others())) return;
        m_activity = m_preempted && !empty ? Activity::pausing : Activity::idle;
        m_until = m_activity == Activity::idle ? never : now + pause_after_nothing;
    }

    /// Blocks are what the head of the queue waits for.
    [[nodiscard]] WT_HD bool head_waits() const {
        return !m_waiting.empty() && m_running < static_cast<std::uint32_t>(m_config->max_num_seqs);
    }
    /// Of a step that is the decode batch alone.
    [[nodiscard]] WT_HD Tick decode_time(std::int64_t context) const {
        return m_config->decode_step[m_batch.size()] + m_config->attention_time(context);
    }

    /// The running steps and the planned one are the decode batch alone, with `context` tokens in the first
    /// of them; finds how many follow that are too.
    WT_HD_HOT void plan_jump(const Pool& pool, std::int64_t context) {
        const ServerConfig& config = *m_config;
        const std::uint32_t segment = config.segment_of(context);
        m_step_growth = config.attention[segment].ticks_per_token * m_batch.size();
        std::int64_t steps = m_batch.steps_left(longest_jump);
        if (steps > longest_jump) steps = longest_jump;
        if (steps > 1 && segment + 1 < config.attention.count) {
            const std::int64_t room = config.attention[segment + 1].from_tokens - context;  // > 0
            const std::int64_t inside = (room + m_batch.size() - 1) / m_batch.size();
            if (inside < steps) steps = inside;
        }
        if (steps > 1 && m_blocks.by_block()) steps = 1 + this->steps_unshared(pool, steps - 1);
        const std::int64_t free =
            m_blocks.free() - (config.prefill_first ? 1 : 0);  // V0 wants one more than it takes
        if (steps > 1)
            steps = free < 0 ? 1 : 1 + m_batch.steps_with_blocks(steps - 1, free, head_waits(), takes_unseen(pool, steps - 1));
        m_steps = steps;
        m_until = m_from + duration(steps);
    }

    /// Blocks that `steps` steps may take without a change in what the head of the queue finds: with windows it may
    /// ask for fewer when it finds less.
    [[nodiscard]] WT_HD std::int64_t takes_unseen(const Pool& pool, std::int64_t steps) const {
        constexpr std::int64_t all = std::int64_t{1} << 62;
        if (!m_blocks.by_block() || !head_waits()) return all;
        const Job& head = pool[m_waiting.head];
        const std::int64_t most = (m_config->blocks_for(steps) + 1) * m_batch.size() * m_config->groups();
        const std::int64_t takes = m_blocks.takes_before(pool, m_waiting.head, std::int64_t{head.prompt_tokens} + head.outputs, most);
        return takes < most ? takes : all;
    }
    [[nodiscard]] WT_HD ServerGauges counters_at(Tick now) const {
        ServerGauges g = m_totals;
        if (m_activity != Activity::decoding && m_activity != Activity::mixed) return g;
        const std::int64_t done = m_activity == Activity::decoding ? steps_done_by(now) : 0;
        const std::int64_t begun = done < m_steps ? done : m_steps - 1;  // the wait comes first in a step
        const Tick in_step = now - m_from - duration(begun);
        g.busy += duration(begun) - begun * m_config->host_wait + max(in_step - m_config->host_wait, Tick{});
        g.generation_tokens += static_cast<std::uint64_t>(done) * m_current.live;
        return g;
    }

    static constexpr std::int64_t longest_jump = 1 << 16;

    const ServerConfig* m_next_config = nullptr;  ///< what it becomes at the next boundary with work
    Step m_current;                               ///< on the GPU
    Step m_next;                                  ///< planned behind it
    Tick m_from;                                  ///< the boundary at which the jump starts
    Tick m_until;                                 ///< and ends
    std::int64_t m_steps = 1;                     ///< its steps, of which the first takes m_current.time
    std::int64_t m_step_growth = 0;               ///< k B: how much longer each takes than the one before
    std::int64_t m_waiting_at_boundary = 0;       ///< queue length right after the last planning
    Activity m_activity = Activity::idle;
    bool m_boundary_work = false;  ///< something is to be done at the next boundary besides the step
    bool m_synchronous = true;
    bool m_listed = false;  ///< what ends is listed before it goes, for the order in which blocks are freed
    bool m_single = false;  ///< the step that runs is unlike those to come
};

}  // namespace windtunnel

#include "models/boundary_work.hpp"
#include "models/draft_steps.hpp"
#include "models/pipeline_steps.hpp"
