#pragma once
#include "models/decode_batch.hpp"
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/kv_blocks.hpp"
#include "models/pipeline_flights.hpp"
#include "models/server_config.hpp"
#include "models/speculation.hpp"
#include "models/swap_space.hpp"

namespace windtunnel {

/// vLLM V1's scheduler over the sequences of one engine (vllm.md, sections 1.5 to 1.7, 1.13 and 2.5): what
/// the next step holds. Knows no clock but the instant at which tokens that are on their way will be there.
/// What it calls its state is that after the last planned step that has started; BatchServer says when that
/// is.
///
/// First come, first served without a limit on prompts, at most one sequence is in prefill between steps, and
/// it is the one admitted last: a chunk is partial only when it used up the budget, and nothing is admitted
/// before it is complete. Otherwise (`in_turn`) who gets what is decided by walking the sequences where it is
/// not plain.
///
/// V0 (section 4; `prefill_first`) looks at the queue first. What it can admit is prefilled whole in a step
/// of its own, in which the sequences that decode wait; only a step that admits nobody gives them their
/// tokens.
template <class Layout>
class EngineSchedule {
public:
    using Pool = JobPool<Layout>;

protected:
    /// A step between its scheduling and its end.
    struct Step {
        Tick time;
        std::uint32_t rows = 0;   ///< of the decode batch
        std::uint32_t live = 0;   ///< of these, whose token somebody waits for
        bool there = false;       ///< there is one
        bool decodes = false;     ///< it holds nothing but decodes
        bool batch_only = false;  ///< nothing but the decode batch
    };
    /// What a step is going to hold.
    struct Load {
        std::int64_t budget = 0;   ///< tokens that it has room for
        std::int64_t tokens = 0;   ///< in all
        std::int64_t prompts = 0;  ///< of these, in chunks of prompts
        std::int64_t pairs = 0;    ///< their query-key pairs
        std::int64_t decodes = 0;  ///< sequences that decode
        std::int64_t context = 0;  ///< of these
    };

    /// Sequences of the decode batch that have waited for prompts since they got their last token.
    struct Wait {
        Tick since;
        std::uint32_t rows = 0;
    };

    WT_HD_COLD void take_schedule_memory(Arena<Layout>& arena, std::int32_t max_num_seqs,
                                         std::int32_t block_size, bool caching, std::int64_t cached_blocks,
                                         std::int32_t stages, bool windows, std::int64_t listed, bool receives,
                                         const GroupCacheSizes& grouped) {
        const auto seqs = static_cast<std::size_t>(max_num_seqs);
        m_batch.take_memory(arena, max_num_seqs, block_size, windows);
        m_order = arena.template take<JobIndex>(2 * seqs);
        m_given = arena.template take<std::uint32_t>(2 * seqs);
        m_fresh = arena.template take<JobIndex>(seqs);
        m_landing = arena.template take<JobIndex>(seqs);
        m_done = arena.template take<JobIndex>(seqs);
        m_waits = arena.template take<Wait>(seqs);
        m_blocks.take_memory(arena, receives ? 2 * max_num_seqs : max_num_seqs, caching, cached_blocks, listed, grouped);
        m_turns = arena.template take<std::uint32_t>(
            grouped.blocks > 0 ? static_cast<std::size_t>(block_size) + 2 * seqs : 0);
        m_flights.take_memory(arena, stages, max_num_seqs);
    }
    WT_HD_COLD void start_schedule(const ServerConfig& config) {
        m_config = &config;
        m_batch.start(config);
        m_waiting = {};
        m_order_size = m_fresh_count = m_landing_count = m_done_count = m_running = m_loose = 0;
        m_wait_count = m_wait_rows = 0;
        m_prompts_only = false;
        m_plain_order = !config.in_turn() && !config.prefill_first;
        m_plain_blocks = !config.in_turn() && !config.prefix_caching && config.groups() == 1;
        m_partial = m_unannounced = no_job;
        m_receiving = m_unread = {};
        m_receptions = m_open_receptions = 0;
        m_blocks.start(config);
        m_flights.start(config.pipeline_stages);
        m_swap.start(config);
        m_totals = {};
        m_preempted = false;
    }

    [[nodiscard]] WT_HD static bool in_batch(const Job& job) {
        return job.state == JobState::decoding || job.state == JobState::landing ||
               job.state == JobState::overrunning;
    }
    /// Whether its last token so far is in a step that has not ended.
    [[nodiscard]] WT_HD bool on_its_way(const Job& job) const {
        return m_config->asynchronous && (in_batch(job) || job.state == JobState::retiring);
    }
    /// Whether it may be asked for a token behind its last: only the model knew that it would stop there.
    [[nodiscard]] WT_HD bool stops_early(const Pool& pool, const Job& job) const {
        return pool.requests[job.request].asked() > job.output_tokens && m_config->hands_over == 0;
    }

    // ---- planning a step -----------------------------------------------------------------------------

    /// Plans one step; tokens that are on their way are there at `since`.
    WT_HD_CALL void schedule(Pool& pool, Fault& fault, Tick since, Step& step) {
        step.there = false;
        step.live = 0;
        m_preempted = false;
        if (m_running == 0 && m_waiting.empty() && m_swap.empty()) return;
        Load load;
        if (m_plain_order) {
            allocate_all(pool, fault, load, since);
            if (fault.broken()) return;
            if (!m_preempted) admit(pool, load, since);
        } else {
            plan_otherwise(pool, fault, load, since);
            if (fault.broken()) return;
        }
        if (load.tokens == 0) return;

        step.there = true;
        step.rows = step.live = m_prompts_only ? 0 : m_batch.size();
        step.decodes = load.prompts == 0;
        step.batch_only = step.decodes && m_fresh_count == 0 && m_loose == 0;
        if (step.decodes) {
            step.time = m_config->decode_step[static_cast<std::size_t>(load.decodes)] +
                        m_config->attention_time(load.context);
        } else {
            step.time = m_config->mixed_step_time(load.tokens, step.rows + m_fresh_count, load.pairs, load.context);
        }
        if (m_config->swaps) step.time += m_swap.take_time();
    }

    /// Part A where the order of the sequences does not matter: takes this step's blocks for the decodes and
    /// the prefill in progress, preempting from the back until they suffice. Walking the list in order and
    /// preempting the last at each shortage ends with the same survivors: the shortest suffix whose removal
    /// leaves enough for the rest.
    WT_HD void allocate_all(Pool& pool, Fault& fault, Load& load, Tick since) {
        std::int64_t chunk = 0;
        for (;;) {
            load.budget = m_config->max_num_batched_tokens - static_cast<std::int64_t>(m_batch.size());
            std::int64_t need = m_batch.blocks_due();
            chunk = 0;
            if (m_partial != no_job) {
                const Job& job = pool[m_partial];
                chunk = min_of(rest_of(job), load.budget);
                need += m_config->blocks_for(job.computed + chunk) - m_config->blocks_for(job.computed);
            }
            if (need <= m_blocks.free()) {
                if (m_blocks.by_block())
                    take_blocks(pool);
                else
                    m_blocks.take(pool, need - m_batch.releases_due());
                m_batch.note_released();
                break;
            }
            if (!WT_CHECK(fault, m_order_size > 0)) return;
            preempt(pool, m_order[m_order_size - 1], since, 0);
        }
        load.tokens = load.decodes = m_batch.size();
        load.context = m_batch.context();
        if (chunk == 0) return;
        Job& job = pool[m_partial];
        compute(pool, m_partial, chunk, load);
        if (rest_of(job) == 0) {
            become_fresh(pool, m_partial);
            m_partial = no_job;
        }
    }

    /// By priority, with a limit on prompts, with drafts, or V0.
    WT_HD_COLD void plan_otherwise(Pool& pool, Fault& fault, Load& load, Tick since) {
        if (m_config->prefill_first) return plan_prefill_first(pool, load, since);
        if (m_loose > 0 || m_batch.blocks_due() > m_blocks.free())
            allocate_in_turn(pool, fault, load, since);
        else
            allocate_all(pool, fault, load, since);
        if (!fault.broken() && !m_preempted) admit(pool, load, since);
    }
    // V0 (models/prefill_first.hpp).
    WT_HD_COLD void plan_prefill_first(Pool& pool, Load& load, Tick since);
    WT_HD_COLD void give_way(Pool& pool, JobIndex index, Tick since);
    WT_HD_COLD void swap_in(Pool& pool, Load& load);
    /// One of the decode batch leaves it; when it got its last token, if it waited since.
    WT_HD_COLD Tick leave_wait(const Job& job) {
        for (std::uint32_t i = 0; i < m_wait_count; ++i) {
            const Tick since = m_waits[i].since;
            if (since < job.last_token) continue;
            --m_wait_rows;
            if (--m_waits[i].rows == 0) {  // its place is needed: there are as many as rows at most
                --m_wait_count;
                for (; i < m_wait_count; ++i) m_waits[i] = m_waits[i + 1];
            }
            return since;
        }
        return never;
    }

    /// Part A sequence by sequence, in order of admission.
    WT_HD_COLD void allocate_in_turn(Pool& pool, Fault& fault, Load& load, Tick since) {
        load.budget = m_config->max_num_batched_tokens;
        for (std::uint32_t at = 0; at < m_order_size; ++at) m_given[at] = 0;
        bool ended = false;
        for (std::uint32_t at = 0; at < m_order_size && load.budget > 0 && !ended; ++at) {
            const JobIndex index = m_order[at];
            if (index == no_job || pool[index].state == JobState::retiring) continue;
            Job& job = pool[index];
            const bool batched = in_batch(job);
            const std::int64_t tokens =
                batched ? 1 : min_of(limited(drafting() ? wanted(pool, job) : rest_of(job)), load.budget);
            if (tokens == 0) continue;  // all that it has is on its way
            const std::int64_t need = batched ? m_batch.blocks_due(job) : blocks_needed(job, tokens);
            const std::int64_t left = windowed() ? leaves_window(pool, index, batched) : 0;
            while (need > m_blocks.free() + left && !ended) {
                const JobIndex victim = victim_of(pool);
                if (!WT_CHECK(fault, victim != no_job)) return;
                ended = victim == index;
                const std::uint32_t given = m_given[pool[victim].place];
                load.budget += given;
                preempt(pool, victim, since, given);
            }
            if (ended) break;
            if (m_blocks.by_block())
                m_blocks.extend(pool, index, m_config->blocks_for((batched ? m_batch.computed(job) : job.computed) + tokens));
            else
                m_blocks.take(pool, need - left);
            if (windowed() && !batched)
                job.end_step = static_cast<std::uint32_t>(m_config->outside_window(job.computed));
            m_given[at] = static_cast<std::uint32_t>(tokens);
            load.budget -= tokens;
            if (batched) continue;
            job.computed += static_cast<std::uint32_t>(tokens);
            if (drafting()) note_blocks(job, need);
            m_blocks.enter_full(pool, index);
        }
        for (std::uint32_t at = 0; at < m_order_size; ++at)
            if (m_order[at] != no_job) take_turn(pool, m_order[at], m_given[at], load, since);
        m_batch.note_released();
        load.decodes += m_batch.size();
        load.tokens += m_batch.size();
        load.context += m_batch.context();
    }
    /// A running job got `given` tokens in the step that is being planned, or none.
    WT_HD_COLD void take_turn(Pool& pool, JobIndex index, std::uint32_t given, Load& load, Tick since) {
        Job& job = pool[index];
        if (in_batch(job) && given == 0) {
            const bool landing = lands(index);
            take_out(job, index);
            if (!landing) job.last_token = since;
            if (m_blocks.by_block())
                m_blocks.enter(pool, index, hashed(job, landing, 0) / static_cast<std::uint32_t>(m_config->block_size));
            else if (m_blocks.caching())
                job.end_step = hashed(job, landing, 0);
            job.state = JobState::stalled;
            ++m_loose;
        } else if (given > 0 && job.state == JobState::stalled) {
            ++load.decodes;
            load.tokens += given;
            load.context += context_with_drafts(pool, job);
            become_fresh(pool, index);
            --m_loose;
        } else if (given > 0 && job.state == JobState::prefilling) {
            load.tokens += given;
            load.prompts += given;
            load.pairs += std::int64_t{given} * (job.computed - given) + std::int64_t{given} * (given + 1) / 2;
            if (rest_of(job) > 0) return;
            m_given[job.place] = 1;
            become_fresh(pool, index);
            --m_loose;
        }
    }
    /// Of a decoding job's tokens, those whose blocks can be found again when they are full: tokens on their
    /// way have no hash yet (vllm.md 1.13.5). `given`: it has got a token in the step being planned.
    [[nodiscard]] WT_HD std::uint32_t hashed(const Job& job, bool landing, std::uint32_t given) const {
        return job.computed + given - (m_config->asynchronous && (!landing || given > 0) ? 1 : 0);
    }

    /// Who gives way: the last admitted, or the one that comes last by priority.
    [[nodiscard]] WT_HD JobIndex victim_of(const Pool& pool) const {
        if (m_order_size == 0) return no_job;
        JobIndex last = m_order[m_order_size - 1];
        if (!m_config->by_priority) return last;
        for (std::uint32_t i = 0; i < m_order_size; ++i)
            if (m_order[i] != no_job && comes_before(pool, last, m_order[i])) last = m_order[i];
        return last;
    }
    WT_HD_COLD void preempt(Pool& pool, JobIndex index, Tick since, std::uint32_t given) {
        Job& job = pool[index];
        const bool batched = in_batch(job), landing = lands(index);
        const bool left_out = job.state == JobState::stalled && given == 0;
        const Tick waited = batched && m_wait_rows > 0 ? leave_wait(job) : never;
        take_out(job, index);
        std::uint32_t full = !left_out ? job.computed : m_blocks.by_block() ? 0 : job.end_step;
        if (batched) full = hashed(job, landing, given);
        if (drafting()) full = hashed_with_drafts(job, given);
        m_blocks.release(pool, index, blocks_of(job, batched ? given : 0),
                         full / static_cast<std::uint32_t>(m_config->block_size), true);
        if (batched && !landing) job.last_token = waited != never ? waited : since;
        job.computed = 0;
        job.state = JobState::waiting;
        leave(pool, index);
        trim_order();
        put_in_front(pool, index);
        ++m_totals.preemptions;
        m_preempted = true;
    }

    /// Part B: the head of the queue, and the next, while they fit in the step that begins at `since`.
    WT_HD_HOT void admit(Pool& pool, Load& load, Tick since) {
        return m_plain_blocks ? admit_with<true>(pool, load, since) : admit_with<false>(pool, load, since);
    }
    /// `plain`: an engine that caches no prefixes, with one group of layers, in which nobody is left out of a step (`in_turn`).
    template <bool plain>
    WT_HD_CALL void admit_with(Pool& pool, Load& load, Tick since) {
        while (!m_waiting.empty() && load.budget > 0 &&
               m_running < static_cast<std::uint32_t>(m_config->max_num_seqs)) {
            const JobIndex index = m_waiting.head;
            Job& job = pool[index];
            // What was preempted while it was on its way through the stages waits for its token.
            if (!plain && m_flights.pipelined() && m_flights.has(index)) break;
            if (job.state != JobState::waiting) {
                if (!admit_remote(pool, index, load, since)) break;
                continue;
            }
            const std::int64_t whole = static_cast<std::int64_t>(job.prompt_tokens) + job.outputs;
            const typename KvBlocks<Layout>::Found found =
                plain ? typename KvBlocks<Layout>::Found{} : m_blocks.find(pool, index, whole);
            const std::int64_t cached = found.blocks() * m_config->block_size, rest = whole - cached;
            const std::int64_t asked = plain ? rest : limited(rest), chunk = min_of(asked, load.budget);
            if (chunk < asked && !m_config->chunked_prefill) break;
            const std::int64_t need = (m_config->blocks_for(cached + chunk) - found.blocks()) * (plain ? 1 : m_config->groups());
            const std::int64_t kept = m_running > 0 || m_config->prefill_first ? m_config->watermark_blocks : 0;
            if ((m_config->reserve_full_sequence ? (plain ? m_config->blocks_for(whole) : most_of(whole, cached)) - found.in_use
                                                 : need + found.idle()) +
                    kept >
                m_blocks.free())
                break;
            m_waiting.pop_front(pool);
            pool.note_scheduled(index, since);
            if (!plain) m_blocks.take_found(pool, index, found, m_totals);
            if (!plain && m_blocks.by_block())
                m_blocks.extend(pool, index, m_config->blocks_for(cached + chunk));
            else
                m_blocks.take(pool, need);
            job.computed = static_cast<std::uint32_t>(cached);
            compute(pool, index, chunk, load);
            job.end_step = static_cast<std::uint32_t>(plain        ? 0
                                                      : drafting() ? found.blocks() + need
                                                      : windowed() ? m_config->outside_window(cached)
                                                                   : 0);
            join_running(pool, index, chunk == rest);
        }
    }
    /// `complete`: the step that is planned computes all of its tokens.
    WT_HD void join_running(Pool& pool, JobIndex index, bool complete) {
        append_running(pool, index);
        if (complete) return become_fresh(pool, index);
        pool[index].state = JobState::prefilling;
        if (m_config->in_turn())
            ++m_loose;
        else
            m_partial = index;
    }

    // ---- KV that comes from other servers (models/remote_kv.hpp) ----------------------------------------

    WT_HD_COLD bool admit_remote(Pool& pool, JobIndex index, Load& load, Tick since);
    WT_HD_COLD bool begin_receiving(Pool& pool, JobIndex index);
    WT_HD_COLD bool run_received(Pool& pool, JobIndex index, Load& load, Tick since);
    WT_HD_COLD void queue_received(Pool& pool, JobIndex index);
    WT_HD_COLD void put_in_front(Pool& pool, JobIndex index);
    WT_HD_COLD void give_up_received(Pool& pool, JobIndex index);
    /// Blocks wait for others: the queue may stand still beside them.
    [[nodiscard]] WT_HD bool holds_for_others() const { return m_open_receptions > 0 || !m_unread.empty(); }

    WT_HD void append_running(Pool& pool, JobIndex index) {
        ++m_running;
        if (m_order_size == 2 * static_cast<std::uint32_t>(m_config->max_num_seqs)) close_gaps(pool);
        pool[index].place = m_order_size;
        m_given[m_order_size] = 1;
        m_order[m_order_size++] = index;
    }

    [[nodiscard]] WT_HD static std::int64_t min_of(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
    /// Tokens that a job has and whose KV is not computed.
    [[nodiscard]] WT_HD static std::int64_t rest_of(const Job& job) {
        return static_cast<std::int64_t>(job.prompt_tokens) + job.outputs - job.computed;
    }
    [[nodiscard]] WT_HD bool drafting() const { return m_config->draft_tokens > 0; }
    // Drafts (models/draft_steps.hpp).
    [[nodiscard]] WT_HD_COLD std::int64_t wanted(const Pool& pool, const Job& job) const;
    [[nodiscard]] WT_HD std::uint32_t hashed_with_drafts(const Job& job, std::uint32_t given) const;
    [[nodiscard]] WT_HD std::uint32_t accepted(const Pool& pool, const Job& job, std::uint32_t drafts) const;
    [[nodiscard]] WT_HD std::int64_t context_with_drafts(const Pool& pool, const Job& job) const;
    WT_HD void note_blocks(Job& job, std::int64_t more) const;
    WT_HD_COLD bool take_accepted(const Pool& pool, Job& job);
    WT_HD_COLD void settle_late(Pool& pool);
    [[nodiscard]] WT_HD bool late() const { return drafting() && m_config->asynchronous != 0; }
    [[nodiscard]] WT_HD static std::uint32_t on_the_way(const Job& job) { return job.end_step >> 24 & 0x7fu; }
    static constexpr std::uint32_t blocks_of_drafting = 0xffffffu, returned_since = 0x80000000u;
    /// Blocks that a job takes for `tokens` more tokens. With drafts it may hold blocks for tokens that were
    /// not accepted.
    [[nodiscard]] WT_HD std::int64_t blocks_needed(const Job& job, std::int64_t tokens) const {
        if (!drafting())
            return (m_config->blocks_for(job.computed + tokens) - m_config->blocks_for(job.computed)) *
                   m_config->groups();
        const std::int64_t end =
            min_of(job.computed + tokens + m_config->lookahead_tokens, m_config->max_model_len);
        const std::int64_t need = m_config->blocks_for(end) - blocks_of(job, 0);
        return need > 0 ? need : 0;
    }
    /// Blocks that a running job holds; `extra`: tokens that it was given in the batch besides.
    [[nodiscard]] WT_HD std::int64_t blocks_of(const Job& job, std::int64_t extra) const {
        if (windowed()) {
            const std::int64_t released = extra > 0 ? m_config->outside_window(job.computed) : job.end_step;
            return m_config->blocks_for(job.computed + extra) * m_config->groups() -
                   released * m_config->window_groups;
        }
        return drafting() ? job.end_step & blocks_of_drafting : m_config->blocks_for(job.computed + extra);
    }
    [[nodiscard]] WT_HD bool windowed() const { return m_config->window_groups > 0; }
    /// What the guard of 0.19 wants to see free for a sequence. (0.19's first releases asked for all of it in groups
    /// with a window too, and could wait for ever: vllm.md 1.14.)
    [[nodiscard]] WT_HD std::int64_t most_of(std::int64_t tokens, std::int64_t cached) const {
        return windowed() ? m_config->most_blocks(tokens, cached) : m_config->blocks_for(tokens);
    }
    /// Blocks that a sequence gives back when it is about to get tokens: what has left its window. With windows,
    /// end_step of one outside the batch counts what it has given back in each windowed group.
    /// Where each block counts, they are given back at once.
    // The rest: models/block_steps.hpp.
    [[nodiscard]] WT_HD_COLD std::int64_t leaves_window(Pool& pool, JobIndex index, bool batched);
    [[nodiscard]] WT_HD_COLD std::int64_t steps_unshared(const Pool& pool, std::int64_t limit) const;
    WT_HD_COLD void take_blocks(Pool& pool);
    WT_HD_COLD void take_blocks_of_jump(Pool& pool, std::int64_t steps);
    [[nodiscard]] WT_HD std::int64_t limited(std::int64_t tokens) const {
        return m_config->long_prefill_threshold > 0 ? min_of(tokens, m_config->long_prefill_threshold) : tokens;
    }
    /// A chunk of a prompt goes into the step that is being planned.
    WT_HD void compute(Pool& pool, JobIndex index, std::int64_t chunk, Load& load) {
        Job& job = pool[index];
        load.budget -= chunk;
        load.tokens += chunk;
        load.prompts += chunk;
        load.pairs += chunk * job.computed + chunk * (chunk + 1) / 2;
        job.computed += static_cast<std::uint32_t>(chunk);
        m_blocks.enter_full(pool, index);
    }
    WT_HD void become_fresh(Pool& pool, JobIndex index) {
        pool[index].state = JobState::fresh;
        m_fresh[m_fresh_count++] = index;
    }

    /// vLLM's order under --scheduling-policy priority: (priority, arrival); of two of one instant, the
    /// workload's first.
    [[nodiscard]] WT_HD static bool comes_before(const Pool& pool, JobIndex a, JobIndex b) {
        const Job &first = pool[a], &second = pool[b];
        if (second.state == JobState::received) return false;  // whoever waits without blocks goes behind
        const std::int32_t p = pool.requests[first.request].priority, q = pool.requests[second.request].priority;
        if (p != q) return p < q;
        return first.arrival != second.arrival ? first.arrival < second.arrival : first.request < second.request;
    }
    /// From whichever end its place is nearer.
    WT_HD_COLD void insert_by_priority(Pool& pool, JobIndex index) {
        JobIndex front = m_waiting.head, back = m_waiting.tail;
        for (;;) {
            if (front == no_job || comes_before(pool, index, front))
                return m_waiting.insert_before(pool, index, front);
            if (!comes_before(pool, index, back))
                return m_waiting.insert_before(pool, index, pool[back].next);
            front = pool[front].next;
            back = pool[back].previous;
        }
    }

    /// Moves the order of admission together over the places of jobs that left.
    WT_HD_COLD void close_gaps(Pool& pool) {
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < m_order_size; ++i) {
            const JobIndex index = m_order[i];
            if (index == no_job) continue;
            pool[index].place = kept;
            m_given[kept] = m_given[i];
            m_order[kept++] = index;
        }
        m_order_size = kept;
    }

    // ---- when it starts, and when it has ended ---------------------------------------------------------

    /// The plan's state becomes that after the last `steps` planned steps; what they bring is still to be
    /// delivered.
    WT_HD_CALL void settle_step(Pool& pool, std::int64_t steps) {
        if (late()) return settle_late(pool);
        advance_batch(pool, steps);
        while (m_batch.one_is_done()) stop(pool, m_batch.pop_done());
        for (std::uint32_t i = 0; i < m_fresh_count; ++i) {
            const JobIndex index = m_landing[i] = m_fresh[i];
            Job& job = pool[index];
            if (drafting()) {
                if (!take_accepted(pool, job)) continue;
                stop(pool, index);
                continue;
            }
            ++job.outputs;
            job.state = JobState::landing;
            const bool last = job.outputs == job.output_tokens;
            if (!last || (m_config->asynchronous && stops_early(pool, job))) m_batch.join(job, index);
            if (last) stop(pool, index);
        }
        m_landing_count = m_fresh_count;
        m_fresh_count = 0;
    }
    WT_HD_HOT void advance_batch(Pool& pool, std::int64_t steps) {
        if (steps > 1) {
            if (m_blocks.by_block())
                take_blocks_of_jump(pool, steps - 1);
            else
                m_blocks.take(pool, m_batch.allocations(steps - 1));
        }
        if (!m_prompts_only) m_batch.advance(steps);
    }
    /// The last of its tokens is in a planned step.
    WT_HD void stop(Pool& pool, JobIndex index) {
        Job& job = pool[index];
        m_done[m_done_count++] = index;
        if (m_config->asynchronous && stops_early(pool, job)) {
            job.state = JobState::overrunning;
            return;
        }
        if (job.state == JobState::decoding) m_batch.leave(job, index);
        job.state = JobState::retiring;
    }
    [[nodiscard]] WT_HD bool lands(JobIndex index) const {
        for (std::uint32_t i = 0; i < m_landing_count; ++i)
            if (m_landing[i] == index) return true;
        return false;
    }
    /// Takes a running job out of whatever it is in but the order of admission; its outputs and computed
    /// tokens are then those that are planned for. Its blocks are the caller's business.
    WT_HD_CALL void take_out(Job& job, JobIndex index) {
        if (in_batch(job)) {
            if (job.state != JobState::overrunning) m_batch.forget(job, index);
            m_batch.leave(job, index);
        } else if (job.state == JobState::prefilling || job.state == JobState::stalled) {
            if (index == m_partial)
                m_partial = no_job;
            else
                --m_loose;
        }
    }
    WT_HD void leave(Pool& pool, JobIndex index) {
        m_order[pool[index].place] = no_job;
        --m_running;
    }
    WT_HD void trim_order() {
        while (m_order_size > 0 && m_order[m_order_size - 1] == no_job) --m_order_size;
    }
    WT_HD static void drop(const ArenaArray<JobIndex, Layout>& list, std::uint32_t count, JobIndex index) {
        for (std::uint32_t i = 0; i < count; ++i)
            if (list[i] == index) list[i] = no_job;
    }

    const ServerConfig* m_config = nullptr;
    DecodeBatch<Layout> m_batch;
    ArenaArray<JobIndex, Layout> m_order;       ///< running jobs by admission; no_job where one left
    ArenaArray<std::uint32_t, Layout> m_given;  ///< by place in it: tokens in the step being planned in turn
    ArenaArray<std::uint32_t, Layout> m_turns;  ///< see models/block_steps.hpp
    ArenaArray<JobIndex, Layout> m_fresh;    ///< jobs that get a token from the prefill in the planned step
    ArenaArray<JobIndex, Layout> m_landing;  ///< ... and in the step that runs
    ArenaArray<JobIndex, Layout> m_done;     ///< jobs that get their last token in the step that runs
    ArenaArray<Wait, Layout> m_waits;        ///< V0: ascending in time; rows in none of them have not waited
    JobQueue<Layout> m_waiting;
    JobQueue<Layout> m_receiving;  ///< blocks taken, KV on its way; in the order in which they took them
    JobQueue<Layout> m_unread;     ///< ended, and their blocks wait to be read
    JobIndex m_unannounced = no_job;      ///< the first of m_receiving that nobody has been told of
    std::uint32_t m_receptions = 0;       ///< begun so far
    std::uint32_t m_open_receptions = 0;  ///< jobs with blocks that are not admitted: receiving or received
    KvBlocks<Layout> m_blocks;
    PipelineFlights<Layout> m_flights;
    SwapSpace<Layout> m_swap;
    JobIndex m_partial = no_job;  ///< the one job in the middle of its prefill, unless `in_turn`
    std::uint32_t m_order_size = 0;
    std::uint32_t m_fresh_count = 0, m_landing_count = 0, m_done_count = 0;
    std::uint32_t m_running = 0;  ///< everything in m_order
    std::uint32_t m_loose = 0;  ///< `in_turn`: of these, in the middle of a prefill or left out of the last step
    ServerGauges m_totals;  ///< counters up to the last boundary; gauges unused
    std::uint32_t m_wait_count = 0, m_wait_rows = 0;
    bool m_preempted = false;     ///< by the last planning
    bool m_plain_order = true;    ///< everybody who runs is in every step, in order of admission
    bool m_plain_blocks = false;  ///< see admit_with
    bool m_prompts_only = false;  ///< V0: the planned step leaves the decode batch as it is
};

}  // namespace windtunnel

#include "models/block_steps.hpp"
