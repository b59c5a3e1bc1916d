#pragma once
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/kv_blocks.hpp"
#include "models/server_config.hpp"
#include "models/speculation.hpp"
#include "models/stepwise_blocks.hpp"

#include <algorithm>
#include <deque>
#include <tuple>
#include <utility>
#include <vector>

namespace windtunnel {

/// The reference for BatchServer: runs every step and walks every sequence in it, as vllm.md describes
/// the scheduler, clause by clause. Host only, slow, with nothing in common with the fast server but its
/// interface, the job records and the cost tables. `run --server stepwise` uses it.
template <class Layout>
class StepwiseServer {
public:
    using Pool = JobPool<Layout>;

    void take_memory(Arena<Layout>&, std::int32_t, std::int32_t, bool = false, std::int64_t = 0, std::int32_t = 1, bool = false,
                     std::int64_t = 0, bool = false, const GroupCacheSizes& = {}) {}

    void start(const ServerConfig& config) {
        m_config = m_next_config = &config;
        m_running.clear();
        m_waiting.clear();
        m_swapped.clear();
        m_moved = 0;
        m_died = false;
        m_skipped.clear();
        m_unread.clear();
        m_blocks.start(config);
        m_until = never;
        m_flight.clear();
        m_stage_free.assign(static_cast<std::size_t>(config.pipeline_stages), Tick{});
        m_gauges = {};
    }

    [[nodiscard]] Tick next_change() const { return m_until; }
    [[nodiscard]] std::uint32_t in_flight() const {
        return static_cast<std::uint32_t>(m_running.size() + m_swapped.size() + queued());
    }
    [[nodiscard]] bool died() const { return m_died; }
    [[nodiscard]] std::uint32_t load() const {
        return static_cast<std::uint32_t>(m_running.size() + 4 * queued());
    }
    [[nodiscard]] std::int64_t free_blocks() const { return m_blocks.free(); }
    [[nodiscard]] std::uint64_t preemptions() const { return m_gauges.preemptions; }
    [[nodiscard]] const ServerGauges& totals() const { return m_gauges; }

    void arrive(Pool& pool, JobIndex index, Tick now, Tick seen_from) {
        pool.note_queued(index, seen_from);
        const Job& job = pool[index];
        const Request& request = pool.requests[job.request];
        Sequence s{};
        s.job = index;
        s.prompt = job.prompt_tokens;
        s.limit = job.output_tokens;
        s.asked = m_config->hands_over ? s.limit : std::max<std::int64_t>(request.asked(), s.limit);
        s.remote = job.computed;
        s.rank = {request.priority, job.arrival.count, job.request};
        s.arrival = m_arrivals++;
        queue_up(s, false);
        if (m_until == never) m_until = now;
    }

    void abort(Pool& pool, JobIndex index, Tick seen_from) {
        pool[index].aborted = 1;
        for (const Sequence& s : m_skipped)
            if (s.job == index && !s.received) return;  // its blocks are written to
        if (m_until == never) m_until = seen_from;
    }
    void end_reception(Pool&, JobIndex index, bool whole, Tick now, Tick) {
        for (std::deque<Sequence>* queue : {&m_waiting, &m_skipped})
            for (Sequence& s : *queue) {
                if (s.job != index || s.remote == 0 || s.received) continue;
                if (!whole) s.remote = 0;
                s.received = queue == &m_skipped;
                if (m_until == never) m_until = now;
            }
    }
    [[nodiscard]] std::int64_t cached_tokens(Pool& pool, JobIndex index) const {
        Sequence s{};
        s.job = index;
        s.prompt = pool[index].prompt_tokens;
        s.arrival = m_arrivals;
        return length_of(find_prefix(pool, s)) * m_config->block_size;
    }
    void reconfigure(const ServerConfig& config, Tick) { m_next_config = &config; }

    template <class Sink>
    void advance(Pool& pool, Sink& sink, Fault& fault) {
        const Tick now = m_until;
        if (!m_flight.empty()) {  // 1.13.1 (c), (d)
            m_gauges.busy += now - m_from - m_config->host_wait;
            const Batch ended = m_flight.front();
            m_flight.pop_front();
            apply(pool, sink, ended, now);
        }
        m_config = m_next_config;
        m_blocks.reconfigure(*m_config);
        const auto let_go = [&](Sequence& s) {
            if (!pool[s.job].aborted) return false;
            free_blocks_of(s);
            pool[s.job].outputs = static_cast<std::uint32_t>(s.outputs);
            sink.aborted(s.job, now);
            return true;
        };
        std::erase_if(m_running, let_go);
        std::erase_if(m_swapped, let_go);
        std::erase_if(m_skipped, [&](Sequence& s) { return s.received && let_go(s); });
        std::erase_if(m_waiting, let_go);
        std::erase_if(m_unread, let_go);
        const std::size_t depth = pipelined() ? m_stage_free.size() : m_config->asynchronous ? 2 : 1;  // 1.13
        while (m_flight.size() < depth && !fault.broken()) {
            const Tick since = m_flight.empty() || pipelined() ? now : now + m_flight.front().time;
            Batch batch = m_config->prefill_first ? schedule_v0(pool, fault, since) : schedule(pool, fault, since);
            if (batch.rows.empty()) break;
            if (pipelined()) batch.ends = through_the_stages(now, batch.time);
            m_flight.push_back(std::move(batch));
        }
        m_gauges.running = static_cast<std::int64_t>(m_running.size());
        m_gauges.waiting = static_cast<std::int64_t>(queued());
        m_gauges.used_blocks = m_config->usable_blocks - m_blocks.free();
        m_gauges.swapped = std::ssize(m_swapped);
        m_gauges.swap_blocks = swap_blocks_in_use();
        m_from = now;
        if (m_died) {
            m_until = never;
            return;
        }
        m_until = m_flight.empty() ? never : pipelined() ? m_flight.front().ends : now + m_flight.front().time;
        for (const JobIndex index : std::exchange(m_wanting, {})) sink.wants_kv(index, now);
        const bool received = std::any_of(m_skipped.begin(), m_skipped.end(), [](const Sequence& s) { return s.received; });
        if (!m_flight.empty() || (m_running.empty() && m_swapped.empty() && m_waiting.empty() && !received)) return;
        if (!m_preempted && (!m_skipped.empty() || !m_unread.empty())) return;  // blocks that others read or write
        if (WT_CHECK(fault, m_preempted)) m_until = now + pause_after_nothing;  // 1.13.12
    }

    template <class Sink>
    void settle(Sink&, Tick) const {}

    template <class Sink>
    void kill(Pool& pool, Sink& sink, Tick now) {
        const auto lose = [&](const Sequence& s) {
            pool[s.job].outputs = static_cast<std::uint32_t>(s.outputs);
            sink.lost(s.job, now);
        };
        for (const Sequence& s : m_running) lose(s);
        for (const Sequence& s : m_swapped) lose(s);
        for (const Sequence& s : m_skipped)
            if (s.received) lose(s);
        for (const Sequence& s : m_waiting) lose(s);
        for (const Sequence& s : m_skipped)
            if (!s.received) lose(s);
        for (const Sequence& s : m_unread) lose(s);
        ServerGauges totals = gauges_at(now);
        start(*m_next_config);
        m_gauges = totals;
        m_gauges.running = m_gauges.waiting = m_gauges.used_blocks = m_gauges.swapped = m_gauges.swap_blocks = 0;
    }

    [[nodiscard]] ServerGauges gauges(const Pool&, Tick now) const { return gauges_at(now); }

private:
    /// What the scheduler knows a sequence by under --scheduling-policy priority: the lower goes first.
    using Rank = std::tuple<std::int32_t, std::int64_t, std::uint32_t>;
    struct Sequence {
        JobIndex job;
        std::int64_t prompt, limit, asked;  ///< tokens; `limit` is where the model stops, `asked` where vLLM stops it
        std::int64_t outputs, computed, scheduled;
        std::int64_t placeholders;  ///< tokens on their way (1.13.5)
        bool decoding;              ///< since it was last admitted, a step that gives it a token has been scheduled
        Tick last_token;
        Rank rank;
        std::uint64_t arrival;  ///< number
        StepwiseBlocks::Tables tables;
        std::int64_t hashed;              ///< of these, how many have been entered
        bool admitted;                    ///< once at least
        std::int64_t remote;              ///< prompt tokens whose KV is elsewhere
        bool received;                    ///< it has come into blocks of this one, or never will
    };
    /// A step that was scheduled, until its tokens are there.
    struct Batch {
        struct Row {
            std::uint64_t arrival;
            bool samples;
            std::int64_t drafts;  ///< verified in it
        };
        std::vector<Row> rows;
        Tick time;
        Tick ends;  ///< with pipeline stages: when it leaves the last
    };

    [[nodiscard]] bool pipelined() const { return m_stage_free.size() > 1; }
    /// When a batch that starts now leaves the last stage: each takes one batch at a time, for an equal share.
    Tick through_the_stages(Tick now, Tick whole) {
        const std::int64_t stages = std::ssize(m_stage_free);
        for (Tick& free : m_stage_free) {
            free = std::max(now, free) + Tick{whole.count / stages + (whole.count % stages != 0)};
            now = free;
        }
        return now;
    }
    [[nodiscard]] bool awaits_token(const Sequence& s) const {
        for (const Batch& batch : m_flight)
            for (const typename Batch::Row& row : batch.rows)
                if (row.arrival == s.arrival && row.samples) return true;
        return false;
    }

    [[nodiscard]] ServerGauges gauges_at(Tick now) const {
        ServerGauges g = m_gauges;
        if (!m_flight.empty()) g.busy += max(now - m_from - m_config->host_wait, Tick{});
        return g;
    }

    [[nodiscard]] StepwiseBlocks::Content content_of(const Pool& pool, const Sequence& s, std::int64_t block) const {
        const Request& request = pool.requests[pool[s.job].request];
        const std::int64_t last = (block + 1) * m_config->block_size - 1, node = last / pool.prefixes.tokens_per_node;
        if (request.prefix_count > 0 && node < request.prefix_count && last < s.prompt)
            return {pool.prefixes.nodes[request.prefix - 1 + node], block};
        return {(std::uint64_t{1} << 32) + s.arrival, block};
    }

    /// vllm.md 2.4: the cached blocks of a sequence, never the last of its tokens.
    [[nodiscard]] StepwiseBlocks::Tables find_prefix(const Pool& pool, const Sequence& s) const {
        return m_blocks.find((s.prompt + s.outputs - 1) / m_config->block_size,
                             [&](std::int64_t block) { return content_of(pool, s, block); });
    }
    [[nodiscard]] static std::int64_t length_of(const StepwiseBlocks::Tables& tables) { return std::ssize(tables[0]); }

    [[nodiscard]] std::int64_t blocks_for(std::int64_t tokens) const {
        return (tokens + m_config->block_size - 1) / m_config->block_size;
    }

    /// vllm.md 2.5: all or nothing.
    bool try_allocate(const Pool& pool, Sequence& s, std::int64_t tokens, std::int64_t lookahead = 0) {
        const std::int64_t end = std::min<std::int64_t>(s.computed + tokens + lookahead, m_config->max_model_len);
        if (!m_blocks.try_extend(s.tables, s.computed, end)) return false;
        enter(pool, s, std::min(s.computed + tokens, s.prompt + s.outputs));  // 1.13.5
        return true;
    }
    /// Others find its full blocks of so many tokens.
    void enter(const Pool& pool, Sequence& s, std::int64_t known) {
        if (!m_config->prefix_caching) return;
        for (const std::int64_t full = known / m_config->block_size; s.hashed < full; ++s.hashed)
            m_blocks.enter(s.tables, s.hashed, content_of(pool, s, s.hashed));
    }
    void free_blocks_of(Sequence& s) {
        m_blocks.release(s.tables);
        s.hashed = 0;
    }

    /// 1.2: a deque, or a heap by rank. `again`: it was preempted.
    void queue_up(Sequence s, bool again) {
        if (m_config->by_priority) {
            const auto at = std::find_if(m_waiting.begin(), m_waiting.end(), [&](const Sequence& w) { return s.rank < w.rank; });
            m_waiting.insert(at, std::move(s));
        } else if (again) {
            m_waiting.push_front(std::move(s));
        } else {
            m_waiting.push_back(std::move(s));
        }
    }

    /// 1.7: preempts one and says whether it was the sequence at `at`, which moves along.
    bool preempt(std::size_t& at, std::int64_t& budget) {
        auto victim = std::prev(m_running.end());
        if (m_config->by_priority)
            victim = std::max_element(m_running.begin(), m_running.end(), [](const Sequence& a, const Sequence& b) { return a.rank < b.rank; });
        const auto place = static_cast<std::size_t>(victim - m_running.begin());
        Sequence s = *victim;
        m_running.erase(victim);
        budget += s.scheduled;
        free_blocks_of(s);
        s.computed = s.scheduled = s.placeholders = 0;
        s.decoding = false;
        queue_up(s, true);
        ++m_gauges.preemptions;
        if (place >= at) return place == at;
        --at;
        return false;
    }

    [[nodiscard]] std::int64_t swap_blocks_in_use() const {
        std::int64_t blocks = 0;
        for (const Sequence& s : m_swapped) blocks += blocks_for(s.computed);
        return blocks;
    }
    // V0 (models/stepwise_v0.hpp).
    void swap_out_last();
    void swap_in(const Pool& pool, Fault& fault);
    Batch schedule_v0(const Pool& pool, Fault& fault, Tick since);

    /// One step: 1.5 and 1.6.
    Batch schedule(Pool& pool, Fault& fault, Tick since) {
        const ServerConfig& config = *m_config;
        std::int64_t budget = config.max_num_batched_tokens;
        bool ended = false;
        m_preempted = false;
        const auto limited = [&](std::int64_t n) {
            return config.long_prefill_threshold > 0 ? std::min<std::int64_t>(n, config.long_prefill_threshold) : n;
        };
        for (Sequence& s : m_running) s.scheduled = 0;
        for (std::size_t i = 0; i < m_running.size() && budget > 0 && !ended; ++i) {  // 1.5
            const Sequence& s = m_running[i];
            if (s.placeholders > 0 && s.outputs + 1 >= s.asked) continue;  // 1.13.6: its token is the last, whatever is accepted
            const std::int64_t drafts = s.decoding ? config.draft_tokens : 0;
            const std::int64_t counted_on = pipelined() ? 0 : s.placeholders;
            std::int64_t tokens = s.prompt + s.outputs + counted_on + drafts - s.computed;
            if (tokens == 0) continue;
            tokens = std::min({limited(tokens), budget, config.max_model_len - 1 - s.computed});
            while (!ended && !try_allocate(pool, m_running[i], tokens, config.lookahead_tokens)) {
                ended = preempt(i, budget);
                m_preempted = true;
            }
            if (ended) break;
            m_running[i].scheduled = tokens;
            budget -= tokens;
        }
        while (!m_preempted && budget > 0 && m_running.size() < static_cast<std::size_t>(config.max_num_seqs)) {  // 1.6
            const auto with_blocks = std::find_if(m_skipped.begin(), m_skipped.end(), [](const Sequence& s) { return s.received; });
            if (with_blocks != m_skipped.end()) {
                if (!run_received(pool, with_blocks, budget, since)) break;
                continue;
            }
            if (m_waiting.empty()) break;
            Sequence& head = m_waiting.front();
            if (head.remote > 0) {
                if (!begin_reception(pool)) break;
                continue;
            }
            if (pipelined() && awaits_token(head)) break;  // preempted while it was in the pipeline
            const std::int64_t whole = head.prompt + head.outputs;
            const StepwiseBlocks::Tables found = find_prefix(pool, head);
            const std::int64_t cached = length_of(found) * config.block_size;
            const std::int64_t asked_for = limited(whole - cached), tokens = std::min(asked_for, budget);
            if (tokens < asked_for && !config.chunked_prefill) break;
            const std::int64_t spare = m_running.empty() ? 0 : config.watermark_blocks;
            const std::int64_t in_use = m_blocks.held(found);
            const std::int64_t asked = config.reserve_full_sequence ? whole : cached + tokens;
            std::int64_t wanted = 0;
            for (std::int32_t g = 0; g < config.groups(); ++g) {
                const auto& hits = found[static_cast<std::size_t>(g)];
                const std::int64_t more = blocks_for(asked) - std::count(hits.begin(), hits.end(), StepwiseBlocks::null);
                const std::int64_t seen = config.window_tokens - 1 + config.max_num_batched_tokens;
                const bool capped = g >= config.full_groups && config.reserve_full_sequence;
                wanted += capped ? std::min(more, blocks_for(seen) + 1) : more;
            }
            if (wanted - in_use + spare > m_blocks.free()) break;  // 1.14, 2.5
            take_found(head, found);
            head.computed = cached;
            if (!WT_CHECK(fault, try_allocate(pool, head, tokens))) return {};
            head.scheduled = tokens;
            pool.note_scheduled(head.job, since);
            budget -= tokens;
            m_running.push_back(head);
            m_waiting.pop_front();
        }
        return batch_of_scheduled(pool);
    }

    /// What a sequence finds in the prefix cache is its own too. Counts a first admission.
    void take_found(Sequence& s, const StepwiseBlocks::Tables& found) {
        m_blocks.touch(found);
        s.tables = found;
        s.hashed = length_of(found);
        if (m_config->prefix_caching && !s.admitted) {
            m_gauges.prefix_queries += static_cast<std::uint64_t>(s.prompt);
            m_gauges.prefix_hits += static_cast<std::uint64_t>(s.hashed * m_config->block_size);
        }
        s.admitted = true;
    }
    [[nodiscard]] std::size_t queued() const { return m_waiting.size() + m_skipped.size(); }
    /// The head of the queue becomes WAITING_FOR_REMOTE_KVS, as models/remote_kv.hpp has it. False: the blocks are not
    /// there.
    bool begin_reception(Pool& pool) {
        Sequence& s = m_waiting.front();
        if (std::ssize(m_skipped) >= m_config->max_num_seqs) return false;
        const StepwiseBlocks::Tables found = find_prefix(pool, s);
        const std::int64_t spare = m_running.empty() ? 0 : m_config->watermark_blocks;
        if (blocks_for(s.prompt) - m_blocks.held(found) + spare > m_blocks.free()) return false;
        take_found(s, found);
        if (!m_blocks.try_extend(s.tables, 0, s.prompt)) return false;
        pool[s.job].end_step = static_cast<std::uint32_t>(length_of(found));
        m_wanting.push_back(s.job);
        m_skipped.push_back(s);
        m_waiting.pop_front();
        return true;
    }
    /// Its last token is computed here; or everything, where nothing has come.
    bool run_received(Pool& pool, typename std::deque<Sequence>::iterator at, std::int64_t& budget, Tick since) {
        if (at->remote == 0) {
            free_blocks_of(*at);
            at->received = false;
            queue_up(*at, true);
        } else {
            at->computed = at->prompt - 1;
            enter(pool, *at, at->computed);
            if (!m_running.empty() && m_config->watermark_blocks > m_blocks.free()) return false;
            enter(pool, *at, at->prompt);
            at->remote = 0;
            at->received = false;
            at->scheduled = 1;
            --budget;
            pool.note_scheduled(at->job, since);
            m_running.push_back(*at);
        }
        m_skipped.erase(at);
        return true;
    }

    [[nodiscard]] std::int64_t accepted(const Pool& pool, const Sequence& s, std::int64_t drafts) const {
        if (drafts == 0) return 0;
        return accepted_drafts(pool.seed, pool.trial, pool[s.job].request, static_cast<std::uint32_t>(s.outputs),
                               static_cast<std::uint32_t>(drafts), m_config->acceptance_q32);
    }
    /// Tokens that the step on the GPU is going to give a sequence that is scheduled behind it.
    [[nodiscard]] std::int64_t tokens_on_the_way(const Pool& pool, const Sequence& s) const {
        return s.placeholders == 0 ? 0 : 1 + accepted(pool, s, s.placeholders - 1);
    }
    /// What the step costs, and what it makes of the sequences right after it was scheduled (1.9, 1.13.5).
    Batch batch_of_scheduled(const Pool& pool) {
        Batch batch;
        std::int64_t tokens = 0, sampled = 0, pairs = 0, context = 0, decodes = 0, prefills = 0;
        for (Sequence& s : m_running) {
            if (s.scheduled == 0) continue;
            tokens += s.scheduled;
            if (s.decoding) {
                ++decodes;
                context += s.prompt + s.outputs + tokens_on_the_way(pool, s);
            } else {
                ++prefills;
                pairs += s.scheduled * s.computed + s.scheduled * (s.scheduled + 1) / 2;
            }
            s.computed += s.scheduled;
            const std::int64_t drafts = s.computed - (s.prompt + s.outputs + s.placeholders);
            const bool samples = drafts >= 0;
            if (samples) {
                ++sampled;
                s.placeholders += 1 + drafts;
                s.decoding = true;
            }
            batch.rows.push_back({s.arrival, samples, drafts});
        }
        const ServerConfig& config = *m_config;
        if (prefills == 0)
            batch.time = config.decode_step[static_cast<std::size_t>(decodes)] + config.attention_time(context);
        else
            batch.time = config.mixed_step_time(tokens, sampled, pairs, context);
        return batch;
    }

    /// 1.9 to 1.11, 1.13.7: tokens of sequences that have gone are dropped, those of preempted ones kept.
    template <class Sink>
    void apply(Pool& pool, Sink& sink, const Batch& batch, Tick now) {
        for (const typename Batch::Row& row : batch.rows) {
            if (!row.samples) continue;
            const auto is_it = [&](const Sequence& s) { return s.arrival == row.arrival; };
            if (const auto r = std::find_if(m_running.begin(), m_running.end(), is_it); r != m_running.end()) {
                if (give_tokens(pool, sink, *r, row.drafts, now)) m_running.erase(r);
            } else if (const auto w = std::find_if(m_waiting.begin(), m_waiting.end(), is_it); w != m_waiting.end()) {
                if (give_tokens(pool, sink, *w, row.drafts, now)) m_waiting.erase(w);
            }
        }
    }
    /// True when it has them all. The tokens of a step come together.
    template <class Sink>
    bool give_tokens(Pool& pool, Sink& sink, Sequence& s, std::int64_t drafts, Tick now) {
        const std::int64_t taken = accepted(pool, s, drafts), tokens = std::min(1 + taken, s.limit - s.outputs);
        if (s.placeholders > 0) {  // 1.9: what was rejected is rolled back
            s.computed -= drafts - taken;
            s.placeholders -= 1 + drafts;
        }
        m_gauges.generation_tokens += static_cast<std::uint64_t>(tokens);
        if (s.outputs == 0) {
            pool[s.job].first_token = now;
            m_gauges.prompt_tokens += static_cast<std::uint64_t>(s.prompt);
            sink.first_token(s.job, now);
        } else {
            sink.gaps(now - s.last_token, Tick{}, 1, 1);
        }
        for (std::int64_t i = 1; i < tokens; ++i) sink.gaps(Tick{}, Tick{}, 1, 1);
        s.last_token = now;
        s.outputs += tokens;
        if (m_config->asynchronous && s.computed > 0) enter(pool, s, s.computed - s.placeholders);  // 1.13.5
        if (s.outputs < s.limit) return false;
        if (m_config->hands_over && s.computed > 0) {
            pool[s.job].state = JobState::unread;
            m_unread.push_back(s);
        } else {
            free_blocks_of(s);
        }
        sink.finished(s.job, now);
        return true;
    }

    const ServerConfig* m_config = nullptr;
    const ServerConfig* m_next_config = nullptr;
    std::vector<Sequence> m_running;  ///< in order of admission
    std::deque<Sequence> m_waiting;
    std::vector<Sequence> m_swapped;  ///< V0: in the host's memory, by arrival
    std::int64_t m_moved = 0;         ///< blocks there and back in the step being scheduled
    bool m_died = false;              ///< it raised an error
    std::deque<Sequence> m_skipped;   ///< have blocks for KV that comes or has come, in the order in which they took them
    std::vector<Sequence> m_unread;   ///< ended, and their blocks wait to be read
    std::vector<JobIndex> m_wanting;  ///< began to wait for KV in the step that is being planned
    StepwiseBlocks m_blocks;
    std::uint64_t m_arrivals = 0;
    Tick m_from, m_until = never;
    bool m_preempted = false;    ///< by the last scheduling
    std::deque<Batch> m_flight;  ///< the front is on the GPU
    std::vector<Tick> m_stage_free;  ///< when the last batch leaves each pipeline stage
    ServerGauges m_gauges;
};

}  // namespace windtunnel

#include "models/stepwise_v0.hpp"
