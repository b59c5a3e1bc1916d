#pragma once
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/server_config.hpp"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
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

    void take_memory(Arena<Layout>&, std::int32_t, std::int32_t, bool = false, std::int64_t = 0) {}

    void start(const ServerConfig& config) {
        m_config = m_next_config = &config;
        m_running.clear();
        m_waiting.clear();
        m_blocks.assign(static_cast<std::size_t>(config.usable_blocks), {});
        m_free.clear();
        for (std::size_t i = 0; i < m_blocks.size(); ++i) m_free.push_back(i);
        m_cached.clear();
        m_until = never;
        m_stepping = false;
        m_gauges = {};
    }

    [[nodiscard]] Tick next_change() const { return m_until; }
    [[nodiscard]] std::uint32_t in_flight() const {
        return static_cast<std::uint32_t>(m_running.size() + m_waiting.size());
    }
    [[nodiscard]] std::int64_t free_blocks() const { return std::ssize(m_free); }
    [[nodiscard]] std::uint64_t preemptions() const { return m_gauges.preemptions; }
    [[nodiscard]] const ServerGauges& totals() const { return m_gauges; }

    void arrive(Pool& pool, JobIndex index, Tick now, Tick) {
        const Job& job = pool[index];
        m_waiting.push_back({index, job.prompt_tokens, job.output_tokens, 0, 0, 0, never, m_arrivals++, {}, 0, false});
        if (m_until == never) m_until = now;
    }

    void abort(Pool& pool, JobIndex index, Tick) { pool[index].aborted = 1; }
    void reconfigure(const ServerConfig& config, Tick) { m_next_config = &config; }

    template <class Sink>
    void advance(Pool& pool, Sink& sink, Fault& fault) {
        const Tick now = m_until;
        if (m_stepping) end_step(pool, sink, now);
        m_config = m_next_config;
        const auto let_go = [&](Sequence& s) {
            if (!pool[s.job].aborted) return false;
            free_blocks_of(s);
            pool[s.job].outputs = static_cast<std::uint32_t>(s.outputs);
            sink.aborted(s.job, now);
            return true;
        };
        std::erase_if(m_running, let_go);
        std::erase_if(m_waiting, let_go);
        begin_step(pool, fault, now);
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
        for (const Sequence& s : m_waiting) lose(s);
        ServerGauges totals = gauges_at(now);
        start(*m_config);
        m_gauges = totals;
    }

    [[nodiscard]] ServerGauges gauges(const Pool&, Tick now) const { return gauges_at(now); }

private:
    /// What a full block holds: a chain up to its end. Of the part that others may have: (node, block); of a
    /// sequence's own: (its arrival's number above all nodes, block).
    using Content = std::pair<std::uint64_t, std::int64_t>;
    struct Block {
        std::int64_t holders = 0;
        bool hashed = false;
        Content content{};
        std::list<std::size_t>::iterator place{};  ///< in the free list
    };
    struct Sequence {
        JobIndex job;
        std::int64_t prompt, limit;  ///< tokens; `limit` is where the model stops
        std::int64_t outputs, computed, scheduled;
        Tick last_token;
        std::uint64_t arrival;            ///< number
        std::vector<std::size_t> blocks;  ///< its table
        std::int64_t hashed;              ///< of these, how many have been entered
        bool admitted;                    ///< once at least
    };

    [[nodiscard]] ServerGauges gauges_at(Tick now) const {
        ServerGauges g = m_gauges;
        if (m_stepping) g.busy += now - m_from;
        return g;
    }

    [[nodiscard]] Content content_of(const Pool& pool, const Sequence& s, std::int64_t block) const {
        const Request& request = pool.requests[pool[s.job].request];
        const std::int64_t last = (block + 1) * m_config->block_size - 1, node = last / pool.prefixes.tokens_per_node;
        if (request.prefix_count > 0 && node < request.prefix_count && last < s.prompt)
            return {pool.prefixes.nodes[request.prefix - 1 + node], block};
        return {(std::uint64_t{1} << 32) + s.arrival, block};
    }

    /// vllm.md 2.4: the cached blocks of a sequence, from the first to the first that is missing.
    [[nodiscard]] std::vector<std::size_t> find_prefix(const Pool& pool, const Sequence& s) const {
        std::vector<std::size_t> found;
        if (!m_config->prefix_caching) return found;
        const std::int64_t most = (s.prompt + s.outputs - 1) / m_config->block_size;
        while (std::ssize(found) < most) {
            const auto copies = m_cached.find(content_of(pool, s, std::ssize(found)));
            if (copies == m_cached.end()) break;
            found.push_back(copies->second.front());
        }
        return found;
    }

    [[nodiscard]] std::int64_t blocks_for(std::int64_t tokens) const {
        return (tokens + m_config->block_size - 1) / m_config->block_size;
    }

    /// vllm.md 2.2: the front of the free list, which forgets what it held.
    std::size_t pop_block() {
        const std::size_t index = m_free.front();
        m_free.pop_front();
        Block& block = m_blocks[index];
        if (block.hashed) {
            auto copies = m_cached.find(block.content);
            std::erase(copies->second, index);
            if (copies->second.empty()) m_cached.erase(copies);
            block.hashed = false;
        }
        block.holders = 1;
        return index;
    }

    /// vllm.md 2.5: all or nothing.
    bool try_allocate(const Pool& pool, Sequence& s, std::int64_t tokens) {
        const std::int64_t need = blocks_for(s.computed + tokens) - std::ssize(s.blocks);
        if (need > std::ssize(m_free)) return false;
        for (std::int64_t i = 0; i < need; ++i) s.blocks.push_back(pop_block());
        if (!m_config->prefix_caching) return true;
        for (const std::int64_t full = (s.computed + tokens) / m_config->block_size; s.hashed < full; ++s.hashed) {
            const std::size_t index = s.blocks[static_cast<std::size_t>(s.hashed)];
            m_blocks[index].hashed = true;
            m_blocks[index].content = content_of(pool, s, s.hashed);
            m_cached[m_blocks[index].content].push_back(index);
        }
        return true;
    }

    /// vllm.md 2.3: the last first.
    void free_blocks_of(Sequence& s) {
        for (; !s.blocks.empty(); s.blocks.pop_back()) {
            Block& block = m_blocks[s.blocks.back()];
            if (--block.holders == 0) block.place = m_free.insert(m_free.end(), s.blocks.back());
        }
        s.hashed = 0;
    }

    void begin_step(const Pool& pool, Fault& fault, Tick now) {
        const ServerConfig& config = *m_config;
        std::int64_t budget = config.max_num_batched_tokens;
        bool preempted = false;
        for (Sequence& s : m_running) s.scheduled = 0;
        for (std::size_t i = 0; i < m_running.size() && budget > 0; ++i) {  // 1.5
            const std::int64_t tokens =
                std::min(m_running[i].prompt + m_running[i].outputs - m_running[i].computed, budget);
            bool self = false;
            while (!try_allocate(pool, m_running[i], tokens)) {
                Sequence victim = m_running.back();  // 1.7
                m_running.pop_back();
                free_blocks_of(victim);
                victim.computed = victim.scheduled = 0;
                if (victim.outputs > 0 && !is_readmitted(victim)) victim.last_token = now;
                m_waiting.push_front(victim);
                ++m_gauges.preemptions;
                preempted = true;
                if (i == m_running.size()) {
                    self = true;
                    break;
                }
            }
            if (self) break;
            m_running[i].scheduled = tokens;
            budget -= tokens;
        }
        while (!preempted && !m_waiting.empty() && budget > 0 &&
               m_running.size() < static_cast<std::size_t>(config.max_num_seqs)) {  // 1.6
            Sequence& head = m_waiting.front();
            const std::int64_t whole = head.prompt + head.outputs;
            const std::vector<std::size_t> found = find_prefix(pool, head);
            const std::int64_t hits = std::ssize(found), cached = hits * config.block_size;
            const std::int64_t tokens = std::min(whole - cached, budget);
            if (tokens < whole - cached && !config.chunked_prefill) break;
            const std::int64_t spare = m_running.empty() ? 0 : config.watermark_blocks;
            const std::int64_t in_use = std::count_if(found.begin(), found.end(), [&](std::size_t b) { return m_blocks[b].holders > 0; });
            const std::int64_t asked = config.reserve_full_sequence ? whole : cached + tokens;
            if (blocks_for(asked) - in_use + spare > std::ssize(m_free)) break;  // 1.14, 2.5
            for (const std::size_t index : found)
                if (m_blocks[index].holders++ == 0) m_free.erase(m_blocks[index].place);
            head.blocks = found;
            head.hashed = hits;
            head.computed = cached;
            if (!WT_CHECK(fault, try_allocate(pool, head, tokens))) return;
            if (config.prefix_caching && !head.admitted) {
                m_gauges.prefix_queries += static_cast<std::uint64_t>(head.prompt);
                m_gauges.prefix_hits += static_cast<std::uint64_t>(cached);
            }
            head.admitted = true;
            head.scheduled = tokens;
            budget -= tokens;
            m_running.push_back(head);
            m_waiting.pop_front();
        }
        m_gauges.running = static_cast<std::int64_t>(m_running.size());
        m_gauges.waiting = static_cast<std::int64_t>(m_waiting.size());
        m_gauges.used_blocks = config.usable_blocks - std::ssize(m_free);

        std::int64_t tokens = 0, rows = 0, pairs = 0, context = 0, decodes = 0, prefills = 0;
        for (const Sequence& s : m_running) {
            tokens += s.scheduled;
            if (s.scheduled == 0) continue;
            const bool decode = s.outputs > 0 && s.computed == s.prompt + s.outputs - 1 && !is_readmitted(s);
            if (s.computed + s.scheduled == s.prompt + s.outputs) ++rows;
            if (decode) {
                ++decodes;
                context += s.computed + 1;
            } else {
                ++prefills;
                pairs += s.scheduled * s.computed + s.scheduled * (s.scheduled + 1) / 2;
            }
        }
        if (tokens == 0) {
            (void)WT_CHECK(fault, m_running.empty() && m_waiting.empty());
            m_stepping = false;
            m_until = never;
            return;
        }
        m_stepping = true;
        m_from = now;
        Tick cost;
        if (prefills == 0) {
            cost = config.decode_step[static_cast<std::size_t>(decodes)] + config.attention_time(context);
        } else {
            cost = config.mixed_step_time(tokens, rows, pairs, context);
        }
        m_until = now + cost;
    }

    /// A sequence that is computing tokens it had before it was preempted, even if only one is left.
    static bool is_readmitted(const Sequence& s) { return s.last_token != never; }

    template <class Sink>
    void end_step(Pool& pool, Sink& sink, Tick now) {
        m_gauges.busy += now - m_from;
        for (Sequence& s : m_running) {
            s.computed += s.scheduled;
            if (s.scheduled == 0 || s.computed < s.prompt + s.outputs) continue;
            ++m_gauges.generation_tokens;  // 1.9, 1.10
            if (s.outputs == 0) {
                pool[s.job].first_token = now;
                m_gauges.prompt_tokens += static_cast<std::uint64_t>(s.prompt);
                sink.first_token(s.job, now);
            } else {
                sink.gaps(now - (is_readmitted(s) ? s.last_token : m_from), Tick{}, 1, 1);
            }
            s.last_token = never;
            ++s.outputs;
        }
        for (Sequence& s : m_running) {
            if (s.outputs < s.limit) continue;
            free_blocks_of(s);
            sink.finished(s.job, now);
        }
        std::erase_if(m_running, [](const Sequence& s) { return s.outputs >= s.limit; });
    }

    const ServerConfig* m_config = nullptr;
    const ServerConfig* m_next_config = nullptr;
    std::vector<Sequence> m_running;  ///< in order of admission
    std::deque<Sequence> m_waiting;
    std::vector<Block> m_blocks;  ///< of the KV pool
    std::list<std::size_t> m_free;  ///< the front is taken next
    std::map<Content, std::vector<std::size_t>> m_cached;  ///< copies, the oldest first
    std::uint64_t m_arrivals = 0;
    Tick m_from, m_until = never;
    bool m_stepping = false;
    ServerGauges m_gauges;
};

}  // namespace windtunnel
