#pragma once
#include "models/dynamic_batch_server.hpp"
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// What the pod of a replica runs, whatever that is: an engine that batches continuously (`Engine`:
/// BatchServer, or its step-by-step reference), several of them behind one front end (data parallel ranks),
/// or a server of whole batches.
///
/// Where its CPUs are few, the front end of an engine is a queue of its own: requests are parsed and
/// tokenised one after the other, and the time that their answers' tokens will take to be turned into text
/// and sent is counted there too.
///
/// The interface is BatchServer's.
template <class Layout, class Engine>
class ReplicaServer {
public:
    using Pool = JobPool<Layout>;

    /// The memory of its engines beyond the first, and of the instances of whole batches.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, ArenaArray<Engine, Layout> more,
                                std::int32_t instances) {
        m_more = more;
        if (instances > 0) m_batches.take_memory(arena, instances);
    }
    [[nodiscard]] WT_HD Engine& rank(std::uint32_t i) { return i == 0 ? m_first : m_more[i - 1]; }
    [[nodiscard]] WT_HD const Engine& rank(std::uint32_t i) const { return i == 0 ? m_first : m_more[i - 1]; }

    WT_HD_COLD void start(const ServerConfig& config) {
        m_config = &config;
        m_ranks = static_cast<std::uint32_t>(config.data_parallel);
        m_whole = config.kind == ReplicaKind::whole_batches;
        m_front = {};
        m_front_until = never;
        m_step_at = Tick{-1};
        m_plain = !m_whole && m_ranks == 1 && !config.has_front_end();
        if (m_whole) return m_batches.start(config);
        for (std::uint32_t i = 0; i < m_ranks; ++i) rank(i).start(config);
    }

    /// Tells the memory that it is called soon.
    WT_HD void expect() const {
        const auto* at = reinterpret_cast<const char*>(this);
        for (std::size_t line = 0; line < sizeof(*this); line += 64) expect_memory(at + line);
    }

    [[nodiscard]] WT_HD Tick next_change() const {
        if (m_plain) return m_first.next_change();
        if (m_whole) return m_batches.next_change();
        Tick next = min(m_first.next_change(), m_front_until);
        for (std::uint32_t i = 1; i < m_ranks; ++i) next = min(next, rank(i).next_change());
        return next;
    }
    [[nodiscard]] WT_HD std::uint32_t in_flight() const {
        if (m_plain) return m_first.in_flight();
        if (m_whole) return m_batches.in_flight();
        std::uint32_t all = m_first.in_flight() + m_front.size;
        for (std::uint32_t i = 1; i < m_ranks; ++i) all += rank(i).in_flight();
        return all;
    }
    /// Counters that change at boundaries only, so that they need no time: not busy and generation_tokens.
    [[nodiscard]] WT_HD ServerGauges totals() const {
        if (m_whole) return m_batches.totals();
        ServerGauges all = m_first.totals();
        for (std::uint32_t i = 1; i < m_ranks; ++i) all.add(rank(i).totals());
        return all;
    }

    /// Whether it has several engines, whose steps end one after another within an instant.
    [[nodiscard]] WT_HD bool has_ranks() const { return m_ranks > 1 && !m_whole; }
    /// One of its engines has raised an error that its process does not survive.
    [[nodiscard]] WT_HD bool died() const {
        if (m_plain) return m_first.died();
        bool any = false;
        for (std::uint32_t i = 0; i < m_ranks && !m_whole; ++i) any = any || rank(i).died();
        return any;
    }

    WT_HD_CALL void arrive(Pool& pool, JobIndex index, Tick now, Tick seen_from) {
        if (m_plain) return m_first.arrive(pool, index, now, seen_from);
        if (m_whole) return m_batches.arrive(pool, index, now);
        if (!m_config->has_front_end()) return hand_over(pool, index, now, seen_from);
        pool[index].state = JobState::arriving;
        if (m_front.empty())
            m_front_until =
                now + m_config->front_end_time(pool[index].prompt_tokens, pool[index].output_tokens);
        m_front.push_back(pool, index);
    }
    WT_HD_CALL void abort(Pool& pool, JobIndex index, Tick seen_from) {
        if (m_whole) return m_batches.abort(pool, index, seen_from);
        if (pool[index].state == JobState::arriving)
            pool[index].aborted = 1;  // noticed when its turn comes
        else
            rank(pool[index].rank).abort(pool, index, seen(pool[index].rank, seen_from));
    }
    WT_HD_COLD void reconfigure(const ServerConfig& config, Tick seen_from) {
        m_config = &config;
        if (m_whole) return m_batches.reconfigure(config);
        for (std::uint32_t i = 0; i < m_ranks; ++i) rank(i).reconfigure(config, seen(i, seen_from));
    }

    /// Does what is due at `next_change()`: the front end first, so that an engine sees at a boundary who
    /// comes then.
    template <class Sink>
    WT_HD void advance(Pool& pool, Sink& sink, Fault& fault) {
        if (m_plain) return m_first.advance(pool, sink, fault);
        if (m_whole) return m_batches.advance(pool, sink, fault);
        const Tick now = next_change();
        if (m_front_until == now) return advance_front(pool, now);
        std::uint32_t i = 0;
        while (rank(i).next_change() != now) ++i;
        m_step_rank = m_step_at == now && m_step_rank > i ? m_step_rank : i;
        m_step_at = now;
        rank(i).advance(pool, sink, fault);
    }

    /// The KV of a job's prompt has come (`whole`), or never will.
    WT_HD_COLD void end_reception(Pool& pool, JobIndex index, bool whole, Tick now, Tick seen_from) {
        if (pool[index].state == JobState::arriving)
            pool[index].computed = 0;  // only the latter: it has not asked for it yet
        else
            rank(pool[index].rank).end_reception(pool, index, whole, now, seen(pool[index].rank, seen_from));
    }
    /// Prompt tokens of a job that its prefix cache (its first engine's) would spare it.
    [[nodiscard]] WT_HD_COLD std::int64_t cached_tokens(Pool& pool, JobIndex index) const {
        return m_first.cached_tokens(pool, index);
    }

    template <class Sink>
    WT_HD void settle(Sink& sink, Tick now) const {
        if (m_whole) return;
        for (std::uint32_t i = 0; i < m_ranks; ++i) rank(i).settle(sink, now);
    }
    template <class Sink>
    WT_HD_COLD void kill(Pool& pool, Sink& sink, Tick now) {
        if (m_whole) return m_batches.kill(pool, sink, now);
        while (!m_front.empty()) sink.lost(m_front.pop_front(pool), now);
        m_front_until = never;
        for (std::uint32_t i = 0; i < m_ranks; ++i) rank(i).kill(pool, sink, now);
    }

    /// Of all its engines together; `busy` is their mean.
    [[nodiscard]] WT_HD_COLD ServerGauges gauges(const Pool& pool, Tick now) const {
        if (m_whole) return m_batches.gauges(now);
        ServerGauges all = m_first.gauges(pool, now);
        for (std::uint32_t i = 1; i < m_ranks; ++i) all.add(rank(i).gauges(pool, now));
        if (m_ranks > 1) all.busy.count /= m_ranks;
        return all;
    }

private:
    /// From when on a rank's boundaries see what they should from `seen_from` on: its boundary at that instant may be over.
    [[nodiscard]] WT_HD Tick seen(std::uint32_t i, Tick seen_from) const {
        return seen_from == m_step_at && i <= m_step_rank ? seen_from + Tick{1} : seen_from;
    }
    /// To the rank with the least to do, a request that waits counting four times one that runs (vLLM's own
    /// balancer over data parallel engines, 0.9 to 0.24); of equals the first.
    WT_HD_CALL void hand_over(Pool& pool, JobIndex index, Tick now, Tick seen_from) {
        std::uint32_t best = 0;
        for (std::uint32_t i = 1; i < m_ranks; ++i)
            if (rank(i).load() < rank(best).load()) best = i;
        pool[index].rank = best & 0x7f;
        pool[index].state = JobState::waiting;  // no longer in the front end
        rank(best).arrive(pool, index, now, seen(best, seen_from));
    }
    WT_HD_COLD void advance_front(Pool& pool, Tick now) {
        const JobIndex index = m_front.pop_front(pool);
        m_front_until = never;
        if (!m_front.empty()) {
            const Job& next = pool[m_front.head];
            m_front_until = now + m_config->front_end_time(next.prompt_tokens, next.output_tokens);
        }
        hand_over(pool, index, now, now);
        if (pool[index].aborted) rank(pool[index].rank).abort(pool, index, seen(pool[index].rank, now));
    }

    const ServerConfig* m_config = nullptr;
    Engine m_first;
    ArenaArray<Engine, Layout> m_more;
    std::uint32_t m_ranks = 1;
    std::uint32_t m_step_rank = 0;  ///< the last of its ranks whose step ended at `m_step_at`
    Tick m_step_at{-1};             ///< when one last did
    bool m_whole = false;
    bool m_plain = true;  ///< one engine and nothing before it
    DynamicBatchServer<Layout> m_batches;
    JobQueue<Layout> m_front;
    Tick m_front_until = never;
};

}  // namespace windtunnel
