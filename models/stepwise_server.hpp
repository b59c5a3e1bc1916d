#pragma once
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/server_config.hpp"

#include <algorithm>
#include <deque>
#include <vector>

namespace windtunnel {

/// The reference for BatchServer: runs every step and walks every sequence in it, as vllm.md describes
/// the scheduler, clause by clause. Host only, slow, with nothing in common with the fast server but its
/// interface, the job records and the cost tables. `run --server stepwise` uses it.
template <class Layout>
class StepwiseServer {
public:
    using Pool = JobPool<Layout>;

    void take_memory(Arena<Layout>&, std::int32_t, std::int32_t) {}

    void start(const ServerConfig& config) {
        m_config = m_next_config = &config;
        m_running.clear();
        m_waiting.clear();
        m_free = config.usable_blocks;
        m_until = never;
        m_stepping = false;
        m_gauges = {};
    }

    [[nodiscard]] Tick next_change() const { return m_until; }
    [[nodiscard]] std::uint32_t in_flight() const {
        return static_cast<std::uint32_t>(m_running.size() + m_waiting.size());
    }
    [[nodiscard]] std::int64_t free_blocks() const { return m_free; }
    [[nodiscard]] std::uint64_t preemptions() const { return m_gauges.preemptions; }

    void arrive(Pool& pool, JobIndex index, Tick now, Tick) {
        const Job& job = pool[index];
        m_waiting.push_back({index, job.prompt_tokens, job.output_tokens, 0, 0, 0, 0, never});
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
            m_free += s.blocks;
            pool[s.job].outputs = static_cast<std::uint32_t>(s.outputs);
            sink.aborted(s.job, now);
            return true;
        };
        std::erase_if(m_running, let_go);
        std::erase_if(m_waiting, let_go);
        begin_step(fault, now);
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
    struct Sequence {
        JobIndex job;
        std::int64_t prompt, limit;  ///< tokens; `limit` is where the model stops
        std::int64_t outputs, computed, scheduled, blocks;
        Tick last_token;
    };

    [[nodiscard]] ServerGauges gauges_at(Tick now) const {
        ServerGauges g = m_gauges;
        if (m_stepping) g.busy += now - m_from;
        return g;
    }

    /// vllm.md 2.5: all or nothing.
    bool try_allocate(Sequence& s, std::int64_t tokens) {
        const std::int64_t size = m_config->block_size;
        const std::int64_t need = (s.computed + tokens + size - 1) / size - s.blocks;
        if (need > m_free) return false;
        m_free -= need;
        s.blocks += need;
        return true;
    }

    void begin_step(Fault& fault, Tick now) {
        const ServerConfig& config = *m_config;
        std::int64_t budget = config.max_num_batched_tokens;
        bool preempted = false;
        for (Sequence& s : m_running) s.scheduled = 0;
        for (std::size_t i = 0; i < m_running.size() && budget > 0; ++i) {  // 1.5
            const std::int64_t tokens =
                std::min(m_running[i].prompt + m_running[i].outputs - m_running[i].computed, budget);
            bool self = false;
            while (!try_allocate(m_running[i], tokens)) {
                Sequence victim = m_running.back();  // 1.7
                m_running.pop_back();
                m_free += victim.blocks;
                victim.blocks = victim.computed = victim.scheduled = 0;
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
            const std::int64_t tokens = std::min(whole, budget);
            if (tokens < whole && !config.chunked_prefill) break;
            const std::int64_t spare = m_running.empty() ? 0 : config.watermark_blocks;
            const std::int64_t asked = config.reserve_full_sequence ? whole : tokens;
            if ((asked + config.block_size - 1) / config.block_size + spare > m_free) break;
            if (!try_allocate(head, tokens)) break;
            head.scheduled = tokens;
            budget -= tokens;
            m_running.push_back(head);
            m_waiting.pop_front();
        }
        m_gauges.running = static_cast<std::int64_t>(m_running.size());
        m_gauges.waiting = static_cast<std::int64_t>(m_waiting.size());
        m_gauges.used_blocks = config.usable_blocks - m_free;

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
        for (const Sequence& s : m_running) {
            if (s.outputs < s.limit) continue;
            m_free += s.blocks;
            sink.finished(s.job, now);
        }
        std::erase_if(m_running, [](const Sequence& s) { return s.outputs >= s.limit; });
    }

    const ServerConfig* m_config = nullptr;
    const ServerConfig* m_next_config = nullptr;
    std::vector<Sequence> m_running;  ///< in order of admission
    std::deque<Sequence> m_waiting;
    std::int64_t m_free = 0;
    Tick m_from, m_until = never;
    bool m_stepping = false;
    ServerGauges m_gauges;
};

}  // namespace windtunnel
