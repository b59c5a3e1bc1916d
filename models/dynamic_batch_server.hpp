#pragma once
#include "models/fault.hpp"
#include "models/job.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// A server that runs whole batches: Triton's dynamic batcher, TorchServe, TensorFlow Serving, BentoML, Ray
/// Serve; with a batch of one, any server that takes one request at a time.
///
/// Instances take batches from one queue, oldest first. A free instance starts at once with as many as wait
/// when that is a preferred size (or the largest: then it takes so many), else when the oldest has waited for
/// the queue's delay. All answers of a batch come when it ends, so a generation's first token is its last,
/// and a batch takes as long as its longest: prompts and outputs are padded to the longest of it.
///
/// Instances share what they run on: each gets at most one device (or core), all together `capacity`. Work is
/// in ticks of an instance that has one to itself; as instances start and end, what is left goes on at the
/// new rate.
///
/// A model: it never schedules itself. The interface is BatchServer's.
template <class Layout>
class DynamicBatchServer {
public:
    using Pool = JobPool<Layout>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t instances) {
        m_instances = arena.template take<Instance>(static_cast<std::size_t>(instances));
    }
    WT_HD_COLD void start(const ServerConfig& config) {
        m_config = &config;
        for (std::int32_t i = 0; i < config.instances; ++i) m_instances[static_cast<std::size_t>(i)] = {};
        m_waiting = {};
        m_running = m_busy = 0;
        m_until = never;
        m_taken_up = never;
        m_totals = {};
    }

    [[nodiscard]] WT_HD Tick next_change() const { return m_until; }
    [[nodiscard]] WT_HD std::uint32_t in_flight() const { return m_running + m_waiting.size; }
    [[nodiscard]] WT_HD const ServerGauges& totals() const { return m_totals; }

    WT_HD void arrive(Pool& pool, JobIndex index, Tick now) {
        Job& job = pool[index];
        job.state = JobState::waiting;
        pool.note_queued(index, now);
        m_waiting.push_back(pool, index);
        m_until = min(m_until, now);
    }
    /// Who waits leaves at once; who is in a batch when it ends.
    WT_HD void abort(Pool& pool, JobIndex index, Tick seen_from) {
        pool[index].aborted = 1;
        m_until = min(m_until, seen_from);
    }
    /// Batches that start from now on take what `config` says.
    WT_HD void reconfigure(const ServerConfig& config) { m_config = &config; }

    template <class Sink>
    WT_HD_CALL void advance(Pool& pool, Sink& sink, Fault& fault) {
        const Tick now = m_until;
        progress(now);
        for (std::int32_t i = 0; i < m_config->instances; ++i) {
            Instance& instance = m_instances[static_cast<std::size_t>(i)];
            if (instance.size > 0 && instance.left.count == 0) end(pool, sink, instance, now);
        }
        for (JobIndex i = m_waiting.head; i != no_job;) {
            const JobIndex after = pool[i].next;
            if (pool[i].aborted) {
                m_waiting.remove(pool, i);
                sink.aborted(i, now);
            }
            i = after;
        }
        Tick wake = never;
        for (std::int32_t i = 0; i < m_config->instances && !m_waiting.empty(); ++i) {
            Instance& instance = m_instances[static_cast<std::size_t>(i)];
            if (instance.size > 0) continue;
            if (m_taken_up == never) m_taken_up = now;
            const Tick ready = (m_config->delay_from_pick ? m_taken_up : pool[m_waiting.head].last_token) +
                               m_config->queue_delay;
            const std::uint32_t size = size_of_batch(now >= ready);
            if (size == 0) {
                wake = ready;
                break;
            }
            begin(pool, instance, size, now);
        }
        m_from = now;
        m_until = min(wake, next_end());
        (void)WT_CHECK(fault, m_until != never || in_flight() == 0);
    }

    /// The process is killed: every job it holds ends as `lost`.
    template <class Sink>
    WT_HD_COLD void kill(Pool& pool, Sink& sink, Tick now) {
        progress(now);
        for (std::int32_t i = 0; i < m_config->instances; ++i) {
            for (JobIndex j = m_instances[static_cast<std::size_t>(i)].first; j != no_job;) {
                const JobIndex after = pool[j].next;
                sink.lost(j, now);
                j = after;
            }
        }
        while (!m_waiting.empty()) sink.lost(m_waiting.pop_front(pool), now);
        const ServerGauges totals = m_totals;
        start(*m_config);
        m_totals = totals;
    }

    [[nodiscard]] WT_HD_COLD ServerGauges gauges(Tick now) const {
        ServerGauges g = m_totals;
        g.running = m_running;
        g.waiting = m_waiting.size;
        if (m_busy > 0) g.busy += now - m_from;
        return g;
    }

private:
    /// What runs one batch at a time.
    struct Instance {
        JobIndex first = no_job;  ///< its jobs, linked by `next`
        std::uint32_t size = 0;
        Tick left;
    };

    /// Each busy instance gets rate() of shares() of what it would alone.
    [[nodiscard]] WT_HD std::int64_t shares() const { return std::int64_t{1000} * m_busy; }
    [[nodiscard]] WT_HD std::int64_t rate() const {
        return m_config->capacity_milli < shares() ? m_config->capacity_milli : shares();
    }
    /// How long `work` takes at the present rate, rounded up, and how much is done in `time`, rounded down.
    [[nodiscard]] WT_HD Tick stretched(Tick work) const {
        return {work.count / rate() * shares() + (work.count % rate() * shares() + rate() - 1) / rate()};
    }
    [[nodiscard]] WT_HD Tick done_in(Tick time) const {
        return {time.count / shares() * rate() + time.count % shares() * rate() / shares()};
    }
    WT_HD void progress(Tick now) {
        if (m_busy > 0) {
            m_totals.busy += now - m_from;
            const Tick done = done_in(now - m_from);
            for (std::int32_t i = 0; i < m_config->instances; ++i) {
                Instance& instance = m_instances[static_cast<std::size_t>(i)];
                if (instance.size > 0) instance.left = instance.left > done ? instance.left - done : Tick{};
            }
        }
        m_from = now;
    }
    [[nodiscard]] WT_HD Tick next_end() const {
        Tick least = never;
        for (std::int32_t i = 0; i < m_config->instances; ++i) {
            const Instance& instance = m_instances[static_cast<std::size_t>(i)];
            if (instance.size > 0) least = min(least, instance.left);
        }
        return least == never ? never : m_from + stretched(least);
    }

    /// How many of those that wait the next batch takes; 0 = it waits for more. `due`: the oldest waits no
    /// longer.
    [[nodiscard]] WT_HD std::uint32_t size_of_batch(bool due) const {
        const std::uint32_t most = static_cast<std::uint32_t>(m_config->max_num_seqs);
        if (m_waiting.size >= most) return most;
        std::uint32_t preferred = 0;
        for (std::uint32_t i = 0; i < m_config->preferred_sizes.count; ++i) {
            const auto size = static_cast<std::uint32_t>(m_config->preferred_sizes[i]);
            if (size <= m_waiting.size && size > preferred) preferred = size;
        }
        return preferred > 0 ? preferred : due ? m_waiting.size : 0;
    }
    WT_HD_CALL void begin(Pool& pool, Instance& instance, std::uint32_t size, Tick now) {
        std::int64_t prompt = 0, output = 0, tokens = 0;
        JobIndex last = no_job;
        for (std::uint32_t i = 0; i < size; ++i) {
            const JobIndex index = m_waiting.pop_front(pool);
            pool.note_scheduled(index, now);
            Job& job = pool[index];
            job.state = JobState::fresh;
            job.next = no_job;
            (last == no_job ? instance.first : pool[last].next) = index;
            last = index;
            prompt = job.prompt_tokens > prompt ? job.prompt_tokens : prompt;
            output = job.output_tokens > output ? job.output_tokens : output;
            tokens += job.prompt_tokens;
        }
        instance.size = size;
        instance.left = m_config->batch_time(size, prompt, output, tokens);
        m_running += size;
        ++m_busy;
        m_taken_up = never;
    }
    template <class Sink>
    WT_HD_CALL void end(Pool& pool, Sink& sink, Instance& instance, Tick now) {
        m_running -= instance.size;
        --m_busy;
        JobIndex index = instance.first;
        instance = {};
        while (index != no_job) {
            Job& job = pool[index];
            const JobIndex after = job.next;
            m_totals.prompt_tokens += job.prompt_tokens;
            m_totals.generation_tokens += job.output_tokens;
            if (job.aborted) {
                sink.aborted(index, now);
            } else {
                job.first_token = now;
                job.outputs = job.output_tokens;
                sink.first_token(index, now);
                if (job.output_tokens > 1)
                    sink.gaps(Tick{}, Tick{}, job.output_tokens - 1, 1);  // all at once
                sink.finished(index, now);
            }
            index = after;
        }
    }

    const ServerConfig* m_config = nullptr;
    ArenaArray<Instance, Layout> m_instances;
    JobQueue<Layout> m_waiting;
    std::uint32_t m_running = 0;  ///< jobs in batches
    std::uint32_t m_busy = 0;     ///< instances with one
    Tick m_from;                  ///< until when its work is counted
    Tick m_until;
    Tick m_taken_up;  ///< since when a free instance looks at the queue's head
    ServerGauges m_totals;
};

}  // namespace windtunnel
