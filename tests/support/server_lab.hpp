#pragma once
#include "models/batch_server.hpp"
#include "models/stepwise_server.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

/// A bench for one server alone: random engines, random requests, and everything that can be observed.
namespace windtunnel::lab {

/// A ServerConfig together with the arrays its spans point to.
class EngineUnderTest {
public:
    struct Limits {
        std::int32_t max_num_seqs = 8, max_num_batched_tokens = 64, block_size = 16, max_model_len = 256;
        std::int64_t usable_blocks = 64, watermark_blocks = 0;
        bool chunked_prefill = true, reserve_full_sequence = false, extra_cuts = false, prefix_caching = false;
        bool asynchronous = false, by_priority = false;
        std::int32_t long_prefill_threshold = 0, draft_tokens = 0, lookahead_tokens = 0;
        double acceptance = 0;
        bool prefill_first = false, swaps = false;
        std::int64_t swap_blocks = 0, swap_block_time = 0;
        std::int64_t host_wait = 0;
        std::int32_t pipeline_stages = 1;
        std::int32_t full_groups = 1, window_groups = 0, window_tokens = 0;
        bool hands_over = false, receives = false, drops_last_hit = false;
    };

    EngineUnderTest(const Limits& limits, const StepCostTable& cost) {
        // One block: the config, then its arrays, so that the spans' distances hold.
        const std::size_t bytes = sizeof(ServerConfig) +
                                  (cost.decode_step.size() + cost.mixed_step.size()) * sizeof(Tick) +
                                  cost.attention.size() * sizeof(ContextSegment);
        m_block.resize((bytes + 7) / 8);
        m_config = new (m_block.data()) ServerConfig;
        m_config->max_num_seqs = limits.max_num_seqs;
        m_config->max_num_batched_tokens = limits.max_num_batched_tokens;
        m_config->block_size = limits.block_size;
        m_config->max_model_len = limits.max_model_len;
        m_config->usable_blocks = limits.usable_blocks;
        m_config->watermark_blocks = limits.watermark_blocks;
        m_config->chunked_prefill = limits.chunked_prefill;
        m_config->reserve_full_sequence = limits.reserve_full_sequence;
        m_config->extra_cuts = limits.extra_cuts;
        m_config->prefix_caching = limits.prefix_caching;
        m_config->asynchronous = limits.asynchronous;
        m_config->by_priority = limits.by_priority;
        m_config->long_prefill_threshold = limits.long_prefill_threshold;
        m_config->prefill_first = limits.prefill_first;
        m_config->swaps = limits.swaps;
        m_config->swap_blocks = limits.swap_blocks;
        m_config->swap_block_time = Tick{limits.swap_block_time};
        m_config->host_wait = Tick{limits.host_wait};
        m_config->pipeline_stages = limits.pipeline_stages;
        m_config->full_groups = limits.full_groups;
        m_config->window_groups = limits.window_groups;
        m_config->window_tokens = limits.window_tokens;
        m_config->hands_over = limits.hands_over;
        m_config->receives = limits.receives;
        m_config->drops_last_hit = limits.drops_last_hit;
        m_config->draft_tokens = limits.draft_tokens;
        m_config->lookahead_tokens = limits.lookahead_tokens;
        m_config->acceptance_q32 = static_cast<std::uint32_t>(std::min(limits.acceptance * 4294967296.0, 4294967295.0));
        m_config->per_sampled_row = cost.per_sampled_row;
        m_config->prefill_ticks_per_pair_q16 = cost.prefill_ticks_per_pair_q16;
        unsigned char* at = reinterpret_cast<unsigned char*>(m_block.data()) + sizeof(ServerConfig);
        place(m_config->decode_step, cost.decode_step, at);
        place(m_config->mixed_step, cost.mixed_step, at);
        place(m_config->attention, cost.attention, at);
    }
    [[nodiscard]] const ServerConfig& config() const { return *m_config; }

private:
    template <class T>
    static void place(BlobSpan<T>& span, const std::vector<T>& values, unsigned char*& at) {
        std::copy(values.begin(), values.end(), reinterpret_cast<T*>(at));
        span.distance = at - reinterpret_cast<unsigned char*>(&span);
        span.count = values.size();
        at += values.size() * sizeof(T);
    }
    std::vector<std::uint64_t> m_block;
    ServerConfig* m_config;
};

struct Arrival {
    std::int64_t at = 0;  ///< ticks
    std::uint32_t prompt = 1, output = 1;
    std::int64_t abort_at = -1;  ///< ticks; -1 = the client stays
    std::vector<std::uint32_t> nodes{};  ///< of its prompt in the prefix tree
    std::int16_t priority = 0;
    std::uint32_t unsaid = 0;  ///< tokens that it asked for and the model did not say
    std::int64_t moves = -1;   ///< ticks that its prompt's KV takes from elsewhere, or its blocks wait to be read; -1 = local
    bool fails = false;        ///< it comes to nothing
    std::int64_t lost_at = -1; ///< ticks; the KV elsewhere is gone
};

struct Experiment {
    EngineUnderTest::Limits limits;
    StepCostTable cost;
    std::vector<Arrival> arrivals;
    std::vector<std::int64_t> scrapes;  ///< ticks at which the gauges are read
    std::vector<std::int64_t> changes;  ///< ticks at which the steps' costs become those of `slow` and back
    std::vector<std::int64_t> kills;    ///< ticks at which the process is killed; it starts anew at once
    std::uint32_t tokens_per_node = 8;
};

/// All that a run of one server shows, as numbers that compare exactly.
struct Seen {
    struct Job {
        std::int64_t first = -1, finish = -1, scheduled = -1, waited = -1, asked = -1, read = -1;
        std::uint32_t outputs = 0;  ///< of one that did not finish
        char end = '?';
        bool operator==(const Job&) const = default;
    };
    std::vector<Job> jobs;
    std::vector<ServerGauges> gauges;
    std::uint64_t gap_count = 0, gap_ticks = 0, gap_squares = 0;  ///< mod 2^64: exact whatever the order
    std::uint64_t preemptions = 0, deaths = 0;
    std::int64_t free_at_end = 0;
    bool broken = false;
    bool operator==(const Seen&) const = default;
};

/// Every step takes one and a half times as long.
inline StepCostTable slower(StepCostTable cost) {
    for (std::vector<Tick>* steps : {&cost.decode_step, &cost.mixed_step})
        for (Tick& t : *steps) t.count += t.count / 2;
    return cost;
}

/// The first request whose path in the prefix tree begins with that of request `i`.
inline std::size_t with_the_same_beginning(const Experiment& e, std::size_t i) {
    const std::vector<std::uint32_t>& nodes = e.arrivals[i].nodes;
    for (std::size_t j = 0; j < i; ++j)
        if (std::ssize(e.arrivals[j].nodes) >= std::ssize(nodes) &&
            std::equal(nodes.begin(), nodes.end(), e.arrivals[j].nodes.begin()))
            return j;
    return i;
}

template <template <class> class Server>
Seen observe(const Experiment& e) {
    using Layout = ContiguousLayout;
    const EngineUnderTest engine(e.limits, e.cost), slow(e.limits, slower(e.cost));
    std::vector<Request> requests(e.arrivals.size());
    std::vector<std::uint32_t> nodes;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].prefix = static_cast<std::uint32_t>(nodes.size() + 1);
        requests[i].prefix_count = static_cast<std::uint16_t>(e.arrivals[i].nodes.size());
        requests[i].output_tokens = e.arrivals[i].output;
        requests[i].max_tokens = e.arrivals[i].output + e.arrivals[i].unsaid;
        requests[i].priority = e.arrivals[i].priority;
        const std::size_t twin = i % 2 == 0 ? i : with_the_same_beginning(e, i);  // one path for several prompts, or one each
        if (twin < i)
            requests[i].prefix = requests[twin].prefix;
        else
            nodes.insert(nodes.end(), e.arrivals[i].nodes.begin(), e.arrivals[i].nodes.end());
    }
    const auto make = [&](Arena<Layout>& arena, JobPool<Layout>& pool, Server<Layout>& server) {
        pool.capacity = static_cast<std::uint32_t>(e.arrivals.size());
        pool.jobs = arena.take<Job>(pool.capacity);
        pool.schedules = arena.take<FirstSchedule>(pool.capacity);
        pool.keeps_schedules = true;
        if (e.limits.prefix_caching) pool.blocks = arena.take<JobBlocks>(pool.capacity);
        GroupCacheSizes grouped;
        grouped.grow(engine.config());
        const bool runs = !nodes.empty() && !engine.config().caches_by_block();
        server.take_memory(arena, e.limits.max_num_seqs, e.limits.block_size, e.limits.prefix_caching,
                           runs ? e.limits.usable_blocks : 0, e.limits.pipeline_stages,
                           e.limits.window_groups > 0,
                           engine.config().lists_blocks() && !nodes.empty()
                               ? (e.limits.max_model_len + e.limits.block_size - 1) / e.limits.block_size
                               : 0,
                           e.limits.receives, grouped);
    };
    JobPool<Layout> pool;
    pool.requests = requests.data();
    pool.prefixes = {nodes.data(), nodes.size(), e.tokens_per_node};
    Server<Layout> server;
    Arena<Layout> dry;
    make(dry, pool, server);
    std::vector<std::uint64_t> memory(dry.used() / 8 + 8);
    Arena<Layout> arena(memory.data(), memory.size() * 8, 0);
    make(arena, pool, server);
    server.start(engine.config());

    Seen seen;
    seen.jobs.resize(e.arrivals.size());
    struct Move {
        std::int64_t at;
        JobIndex job;
        bool reads;
    };
    std::vector<Move> moves;
    struct Sink {
        Seen& seen;
        JobPool<Layout>& pool;
        const Experiment& experiment;
        std::vector<Move>& moves;
        [[nodiscard]] std::int64_t takes(JobIndex j) const { return std::max<std::int64_t>(experiment.arrivals[pool[j].request].moves, 1); }
        void wants_kv(JobIndex j, Tick t) {
            seen.jobs[pool[j].request].asked = t.count + pool[j].end_step;
            moves.push_back({t.count + takes(j), j, false});
        }
        void first_token(JobIndex j, Tick t) { seen.jobs[pool[j].request].first = t.count; }
        void gaps(Tick first, Tick increment, std::int64_t steps, std::uint64_t rows) {
            for (std::int64_t i = 0; i < steps; ++i) {
                const auto gap = static_cast<std::uint64_t>(first.count + i * increment.count);
                seen.gap_count += rows;
                seen.gap_ticks += gap * rows;
                seen.gap_squares += gap * gap * rows;
            }
        }
        void finished(JobIndex j, Tick t) {
            seen.jobs[pool[j].request].scheduled = pool.schedules[j].at.count;
            seen.jobs[pool[j].request].waited = pool.schedules[j].waited.count;
            if (pool[j].state == JobState::unread) moves.push_back({t.count + takes(j), j, true});
            end(j, t, 'f');
        }
        void aborted(JobIndex j, Tick t) { end(j, t, 'a'); }
        void lost(JobIndex j, Tick t) { end(j, t, 'l'); }
        void end(JobIndex j, Tick t, char how) {
            if (seen.jobs[pool[j].request].end == 'f') {  // its blocks
                seen.jobs[pool[j].request].read = t.count;
                return;
            }
            seen.jobs[pool[j].request].finish = t.count;
            seen.jobs[pool[j].request].end = how;
            if (how != 'f') seen.jobs[pool[j].request].outputs = pool[j].outputs;
        }
    } sink{seen, pool, e, moves};
    Fault fault;

    struct External {
        std::int64_t at;
        int rank;  // arrivals, aborts, changes, then the server, then scrapes and kills
        std::size_t which;
    };
    std::vector<External> events;
    for (std::size_t i = 0; i < e.arrivals.size(); ++i) {
        events.push_back({e.arrivals[i].at, 0, i});
        if (e.arrivals[i].abort_at >= 0) events.push_back({e.arrivals[i].abort_at, 1, i});
        if (e.arrivals[i].lost_at >= 0 && e.limits.receives) events.push_back({e.arrivals[i].lost_at, 2, e.changes.size() + i});
    }
    for (std::size_t i = 0; i < e.scrapes.size(); ++i) events.push_back({e.scrapes[i], 3, i});
    for (std::size_t i = 0; i < e.changes.size(); ++i) events.push_back({e.changes[i], 2, i});
    for (std::size_t i = 0; i < e.kills.size(); ++i) events.push_back({e.kills[i], 4, i});
    std::stable_sort(events.begin(), events.end(), [](const External& a, const External& b) {
        return a.at != b.at ? a.at < b.at : a.rank < b.rank;
    });
    std::vector<JobIndex> job_of(e.arrivals.size(), no_job);
    std::size_t next = 0;
    while (!fault.broken()) {
        const Tick change = server.next_change();
        const auto move = std::min_element(moves.begin(), moves.end(), [](const Move& a, const Move& b) { return a.at < b.at; });
        if (move != moves.end() && move->at <= change.count && (next == events.size() || move->at <= events[next].at)) {
            const Move m = *move;
            moves.erase(move);
            const Seen::Job& job = seen.jobs[pool[m.job].request];
            if (m.reads && job.read < 0)
                server.abort(pool, m.job, Tick{m.at});
            else if (!m.reads && job.end == '?')
                server.end_reception(pool, m.job, !e.arrivals[pool[m.job].request].fails, Tick{m.at}, Tick{m.at});
            continue;
        }
        const bool external =
            next < events.size() &&
            (events[next].at < change.count || (events[next].at == change.count && events[next].rank < 3));
        if (external) {
            const External& x = events[next++];
            const Tick now{x.at};
            if (x.rank == 0) {
                const JobIndex j = pool.take();
                pool[j] = Job{};
                pool[j].arrival = now;
                pool[j].first_token = never;
                pool[j].request = static_cast<std::uint32_t>(x.which);
                pool[j].prompt_tokens = e.arrivals[x.which].prompt;
                pool[j].output_tokens = e.arrivals[x.which].output;
                if (e.limits.receives && e.arrivals[x.which].moves >= 0)
                    pool[j].computed = e.arrivals[x.which].prompt;
                job_of[x.which] = j;
                server.arrive(pool, j, now, now);
            } else if (x.rank == 1) {
                if (job_of[x.which] != no_job && seen.jobs[x.which].end == '?')
                    server.abort(pool, job_of[x.which], now);
            } else if (x.rank == 2 && x.which >= e.changes.size()) {
                const std::size_t i = x.which - e.changes.size();
                if (job_of[i] != no_job && seen.jobs[i].end == '?')
                    server.end_reception(pool, job_of[i], false, now, now);
            } else if (x.rank == 2) {
                server.reconfigure((x.which & 1) != 0 ? engine.config() : slow.config(), now);
            } else if (x.rank == 3) {
                seen.gauges.push_back(server.gauges(pool, now));
            } else {
                server.kill(pool, sink, now);
            }
        } else if (change != never) {
            server.advance(pool, sink, fault);
            if (server.died()) {
                ++seen.deaths;
                server.kill(pool, sink, change);
            }
        } else {
            break;
        }
    }
    seen.preemptions = server.preemptions();
    seen.free_at_end = server.free_blocks();
    seen.broken = fault.broken();
    return seen;
}

/// Prompts that have beginnings in common: each goes on from somewhere in an earlier one's, or begins anew.
template <class Pick>
void grow_prefixes(Experiment& e, const Pick& pick) {
    e.tokens_per_node = static_cast<std::uint32_t>(pick(0, 1) ? pick(1, 4) * e.limits.block_size : pick(1, 40));
    std::uint32_t fresh = 0;
    for (std::size_t i = 0; i < e.arrivals.size(); ++i) {
        std::vector<std::uint32_t>& nodes = e.arrivals[i].nodes;
        if (i > 0 && pick(0, 3) != 0) {
            nodes = e.arrivals[static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(i) - 1))].nodes;
            if (pick(0, 1)) nodes.resize(static_cast<std::size_t>(pick(0, std::ssize(nodes))));
        }
        const std::int64_t most = (e.arrivals[i].prompt + e.tokens_per_node - 1) / e.tokens_per_node;
        for (std::int64_t n = pick(0, most) - std::ssize(nodes); n > 0; --n) nodes.push_back(fresh++);
        if (std::ssize(nodes) > most) nodes.resize(static_cast<std::size_t>(most));
    }
}

/// A random engine under random load: block sizes 1 to 48, small pools (preemption), half of them with
/// tiny integer times so that arrivals and boundaries tie.
inline Experiment random_experiment(std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    Experiment e;
    auto& l = e.limits;
    const bool tiny = pick(0, 1) == 0;
    l.block_size = static_cast<std::int32_t>(pick(0, 2) == 0 ? 16 : pick(1, 48));
    l.max_num_seqs = static_cast<std::int32_t>(pick(1, 24));
    l.max_num_batched_tokens = static_cast<std::int32_t>(l.max_num_seqs + pick(0, 3) * pick(0, 40));
    l.max_model_len = static_cast<std::int32_t>(pick(2, 200));
    const std::int64_t least = (l.max_model_len + l.block_size - 1) / l.block_size;
    l.usable_blocks = least + pick(0, 3) * pick(0, least * l.max_num_seqs / 2 + 1);
    l.watermark_blocks = pick(0, 3) == 0 ? pick(0, (l.usable_blocks - least) / 2) : 0;
    l.reserve_full_sequence = pick(0, 3) == 0;
    l.chunked_prefill = pick(0, 7) != 0;
    if (!l.chunked_prefill) l.max_num_batched_tokens = std::max(l.max_num_batched_tokens, l.max_model_len);

    const std::int64_t scale = tiny ? 1 : pick(100, 100'000);
    Tick grow{pick(1, 3) * scale};
    for (std::int32_t b = 0; b <= l.max_num_seqs; ++b) {
        e.cost.decode_step.push_back(grow);
        grow.count += pick(0, tiny ? 1 : scale / 10);
    }
    grow = Tick{pick(1, 4) * scale};
    for (std::int32_t n = 0; n <= l.max_num_batched_tokens; ++n) {
        e.cost.mixed_step.push_back(grow);
        grow.count += pick(0, tiny ? 1 : scale / 10);
    }
    e.cost.per_sampled_row = Tick{pick(0, 2)};
    e.cost.prefill_ticks_per_pair_q16 = pick(0, 1) * pick(0, 1 << (tiny ? 14 : 18));
    Tick at{pick(0, 2)};
    std::int64_t from = 0;
    for (std::int64_t i = 0, n = pick(1, 4); i < n; ++i) {
        const std::int64_t slope = pick(0, tiny ? 2 : scale / 50 + 1), width = pick(1, 300);
        e.cost.attention.push_back({from, at, slope});
        from += width;
        at.count += slope * width;
    }
    const std::int64_t count = pick(1, 80), gap = pick(0, 3) * pick(1, 30) * scale;
    std::int64_t now = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        if (pick(0, 2) != 0) now += pick(0, gap);
        Arrival a;
        a.at = now;
        const std::int64_t whole = pick(2, l.max_model_len);
        a.output = static_cast<std::uint32_t>(pick(1, pick(1, whole - 1)));
        a.prompt = static_cast<std::uint32_t>(whole - a.output);
        if (a.prompt == 0) a.prompt = 1;
        if (pick(0, 15) == 0) a.abort_at = now + pick(0, 200) * scale;
        e.arrivals.push_back(a);
    }
    for (std::int64_t i = 0, n = pick(0, 20); i < n; ++i) e.scrapes.push_back(pick(0, now + 300 * scale));
    std::sort(e.scrapes.begin(), e.scrapes.end());
    l.prefix_caching = pick(0, 1) == 0;
    if (pick(0, 3) != 0) grow_prefixes(e, pick);

    l.asynchronous = pick(0, 1) == 0;
    l.by_priority = pick(0, 3) == 0;
    if (pick(0, 3) == 0) l.long_prefill_threshold = static_cast<std::int32_t>(pick(1, 60));
    if (pick(0, 3) == 0) {
        l.draft_tokens = static_cast<std::int32_t>(pick(1, 6));
        l.lookahead_tokens = pick(0, 1) ? l.draft_tokens : 0;
        l.drops_last_hit = pick(0, 1) == 0;
        l.acceptance = static_cast<double>(pick(0, 10)) / 10;
    }
    if (pick(0, 4) == 0) {
        l.prefill_first = true;
        l.asynchronous = l.by_priority = l.chunked_prefill = l.prefix_caching = l.reserve_full_sequence = false;
        l.long_prefill_threshold = l.draft_tokens = l.lookahead_tokens = 0;
        l.drops_last_hit = false;
        l.usable_blocks = std::max(l.usable_blocks, least + l.watermark_blocks + 1);
        while (l.max_num_batched_tokens < l.max_model_len) {  // a prompt is never cut
            ++l.max_num_batched_tokens;
            e.cost.mixed_step.push_back(e.cost.mixed_step.back());
        }
        l.swaps = pick(0, 1) == 0;
        l.swap_blocks = pick(0, 3) == 0 ? pick(0, l.usable_blocks / 2) : l.usable_blocks * l.max_num_seqs;
        l.swap_block_time = pick(0, 2) * scale;
    }
    if (pick(0, 4) == 0) l.host_wait = e.cost.decode_step[1].count / 2;  // no step is shorter
    if (!l.prefill_first && l.draft_tokens == 0 && pick(0, 3) == 0) {
        l.pipeline_stages = static_cast<std::int32_t>(pick(2, 5));
        l.asynchronous = false;
        l.host_wait = 0;
    }
    if (!l.prefill_first && l.draft_tokens == 0 && pick(0, 2) == 0) {
        l.full_groups = static_cast<std::int32_t>(pick(0, 2));
        l.window_groups = static_cast<std::int32_t>(pick(1, 5));
        l.window_tokens = static_cast<std::int32_t>(pick(l.prefix_caching ? 2 : 1, pick(2, 100)));
        const std::int64_t inside = (l.window_tokens - 1 + l.max_num_batched_tokens + l.block_size - 1) / l.block_size + 1;
        const std::int64_t one = l.full_groups * least + l.window_groups * std::min(least, inside);
        l.usable_blocks = one + (l.usable_blocks - least) * pick(1, 3);
        l.watermark_blocks = std::min(l.watermark_blocks, (l.usable_blocks - one) / 2);
    }
    if (pick(0, 3) == 0 && !l.prefill_first && l.pipeline_stages == 1 && l.window_groups == 0)
        l.receives = true;
    else
        l.hands_over = pick(0, 3) == 0 && !l.prefill_first && (l.window_groups == 0 || !l.prefix_caching) && ((l.long_prefill_threshold == 0 && !l.drops_last_hit) || !l.prefix_caching);
    for (Arrival& a : e.arrivals) {
        if (pick(0, 4) == 0) continue;
        a.moves = pick(1, pick(1, 60)) * scale;
        a.fails = pick(0, 9) == 0;
        if (pick(0, 9) == 0) a.lost_at = a.at + pick(0, 100) * scale;
    }
    const std::int64_t priorities = pick(0, 3);
    for (Arrival& a : e.arrivals) {
        a.priority = static_cast<std::int16_t>(pick(-priorities, priorities));
        const std::int64_t room = l.max_model_len - static_cast<std::int64_t>(a.prompt) - a.output;
        if (pick(0, 2) == 0) a.unsaid = static_cast<std::uint32_t>(std::min(pick(1, 9), room));
    }
    const auto sometimes = [&](std::vector<std::int64_t>& times) {
        for (std::int64_t i = 0, n = pick(0, 3) == 0 ? pick(1, 4) : 0; i < n; ++i) times.push_back(pick(0, now + 100 * scale));
        std::sort(times.begin(), times.end());
    };
    sometimes(e.changes);
    sometimes(e.kills);
    return e;
}

/// True when the fast server shows something else than the stepwise one.
inline bool differs(const Experiment& e) {
    const Seen fast = observe<BatchServer>(e);
    return fast.broken || fast != observe<StepwiseServer>(e);
}

/// The smallest experiment found that still fails: requests, scrapes and aborts are left out while it does.
template <class Fails>
Experiment shrink(Experiment e, const Fails& fails) {
    for (bool smaller = true; smaller;) {
        smaller = false;
        const auto attempt = [&](const Experiment& candidate) {
            if (!fails(candidate)) return false;
            e = candidate;
            return smaller = true;
        };
        for (std::size_t i = e.arrivals.size(); i-- > 0;) {
            Experiment c = e;
            c.arrivals.erase(c.arrivals.begin() + static_cast<std::ptrdiff_t>(i));
            attempt(c);
        }
        for (std::vector<std::int64_t> Experiment::*times : {&Experiment::scrapes, &Experiment::changes, &Experiment::kills})
            for (std::size_t i = (e.*times).size(); i-- > 0;) {
                Experiment c = e;
                (c.*times).erase((c.*times).begin() + static_cast<std::ptrdiff_t>(i));
                attempt(c);
            }
        for (std::size_t i = 0; i < e.arrivals.size(); ++i) {
            Experiment c = e;
            if (c.arrivals[i].abort_at >= 0) {
                c.arrivals[i].abort_at = -1;
                attempt(c);
            }
            for (std::uint32_t Arrival::*part : {&Arrival::prompt, &Arrival::output}) {
                for (const std::uint32_t value : {1u, e.arrivals[i].*part / 2, e.arrivals[i].*part - 1}) {
                    c = e;
                    if (value == 0 || value >= c.arrivals[i].*part) continue;
                    c.arrivals[i].*part = value;
                    if (attempt(c)) break;
                }
            }
        }
    }
    return e;
}

inline std::string describe(const Experiment& e) {
    std::ostringstream out;
    out << "seqs " << e.limits.max_num_seqs << " tokens " << e.limits.max_num_batched_tokens << " block "
        << e.limits.block_size << " blocks " << e.limits.usable_blocks << " watermark "
        << e.limits.watermark_blocks << " guard " << e.limits.reserve_full_sequence << " chunked "
        << e.limits.chunked_prefill << " caching " << e.limits.prefix_caching << " tokens per node "
        << e.tokens_per_node << " async " << e.limits.asynchronous << " priority " << e.limits.by_priority
        << " threshold " << e.limits.long_prefill_threshold << " drafts " << e.limits.draft_tokens << " lookahead "
        << e.limits.lookahead_tokens << " stages " << e.limits.pipeline_stages << " groups "
        << e.limits.full_groups << "+" << e.limits.window_groups << " window " << e.limits.window_tokens << " V0 " << e.limits.prefill_first << " swap " << e.limits.swaps << " " << e.limits.swap_blocks << "x" << e.limits.swap_block_time << " hands over " << e.limits.hands_over << " receives " << e.limits.receives << " acceptance " << e.limits.acceptance << " segments " << e.cost.attention.size() << "\n";
    for (const Arrival& a : e.arrivals)
    {
        out << "  at " << a.at << " prompt " << a.prompt << " output " << a.output << " unsaid " << a.unsaid
            << " priority " << a.priority << " abort " << a.abort_at << " moves " << a.moves << (a.fails ? " fails" : "") << " lost " << a.lost_at << " nodes";
        for (const std::uint32_t node : a.nodes) out << ' ' << node;
        out << "\n";
    }
    for (const auto s : e.scrapes) out << "  scrape " << s << "\n";
    for (const auto s : e.changes) out << "  change " << s << "\n";
    for (const auto s : e.kills) out << "  kill " << s << "\n";
    const auto show = [&](const char* name, const Seen& s) {
        out << name << (s.broken ? " BROKEN" : "") << " preemptions " << s.preemptions << " free "
            << s.free_at_end << " gaps " << s.gap_count << "/" << s.gap_ticks << "/" << s.gap_squares << "\n";
        for (const auto& j : s.jobs)
            out << "   " << j.end << " first " << j.first << " finish " << j.finish << " asked " << j.asked << " read " << j.read << " outputs " << j.outputs << "\n";
        for (const auto& g : s.gauges)
            out << "   running " << g.running << " waiting " << g.waiting << " blocks " << g.used_blocks
                << " prompt " << g.prompt_tokens << " generation " << g.generation_tokens << " preempted "
                << g.preemptions << " busy " << g.busy.count << " queries " << g.prefix_queries << " hits "
                << g.prefix_hits << "\n";
    };
    show("fast", observe<BatchServer>(e));
    show("stepwise", observe<StepwiseServer>(e));
    return out.str();
}

}  // namespace windtunnel::lab
