#include "models/replica_server.hpp"
#include "models/batch_server.hpp"

#include "tests/support/server_lab.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

using Layout = ContiguousLayout;

/// One server, requests that arrive one after the other, and when each was answered.
struct Bench {
    explicit Bench(const ServerConfig& config) {
        m_memory.resize(1 << 16);
        m_pool.capacity = 64;
        m_jobs.resize(64);
        m_pool.jobs = ArenaArray<Job, Layout>(m_jobs.data(), m_jobs.size());
        m_requests.resize(64);
        m_pool.requests = m_requests.data();
        Arena<Layout> arena(m_memory.data(), m_memory.size() * 8, 0);
        const auto more = arena.take<BatchServer<Layout>>(static_cast<std::size_t>(config.data_parallel - 1));
        server.take_memory(arena, more, config.instances);
        for (std::int32_t r = 0; r < config.data_parallel; ++r) {
            server.rank(static_cast<std::uint32_t>(r)) = BatchServer<Layout>{};
            server.rank(static_cast<std::uint32_t>(r))
                .take_memory(arena, config.max_num_seqs, config.block_size);
        }
        server.start(config);
        finish.resize(64, -1);
    }
    void run_until(Tick t) {
        while (server.next_change() < t) server.advance(m_pool, *this, m_fault);
    }
    void arrive(std::int64_t at, std::uint32_t prompt, std::uint32_t output) {
        run_until(Tick{at});
        const JobIndex j = m_pool.take();
        m_pool[j] = Job{};
        m_pool[j].arrival = Tick{at};
        m_pool[j].first_token = never;
        m_pool[j].request = m_count++;
        m_pool[j].prompt_tokens = prompt;
        m_pool[j].output_tokens = output;
        server.arrive(m_pool, j, Tick{at}, Tick{at});
    }
    const std::vector<std::int64_t>& end() {
        run_until(never);
        finish.resize(m_count);
        return finish;
    }
    void first_token(JobIndex, Tick) {}
    void gaps(Tick, Tick, std::int64_t, std::uint64_t) {}
    void finished(JobIndex j, Tick t) { finish[m_pool[j].request] = t.count; }
    void aborted(JobIndex, Tick) {}
    void lost(JobIndex, Tick) {}
    void wants_kv(JobIndex, Tick) {}

    ReplicaServer<Layout, BatchServer<Layout>> server;
    std::vector<std::int64_t> finish;

private:
    std::vector<std::uint64_t> m_memory;
    std::vector<Job> m_jobs;
    std::vector<Request> m_requests;
    JobPool<Layout> m_pool;
    Fault m_fault;
    std::uint32_t m_count = 0;
};

/// A batch takes 100 ticks and 10 for each request.
struct Batches {
    Batches(std::int32_t most, std::int64_t delay, std::int32_t instances = 1) {
        config.kind = ReplicaKind::whole_batches;
        config.max_num_seqs = most;
        config.queue_delay = Tick{delay};
        config.instances = instances;
        config.timed = 1;
        config.batch_base = Tick{100};
        config.batch_request = Tick{10};
    }
    void prefer(std::int32_t size) {
        preferred = size;
        config.preferred_sizes.distance = reinterpret_cast<unsigned char*>(&preferred) -
                                          reinterpret_cast<unsigned char*>(&config.preferred_sizes);
        config.preferred_sizes.count = 1;
    }
    ServerConfig config;
    std::int32_t preferred = 0;
};

}  // namespace

TEST_CASE("whole batches: one at a time is a queue") {
    Batches b_batches(1, 0);
    Bench b(b_batches.config);
    for (std::int64_t at : {0, 10, 20}) b.arrive(at, 1, 1);
    CHECK(b.end() == std::vector<std::int64_t>{110, 220, 330});
}

TEST_CASE("whole batches: the oldest waits for others until its delay is over or the batch is full") {
    // The delay of 50 is over at 50: two of them, 100 + 20. The third waits for the instance and then no
    // longer than it has.
    Batches b_batches(4, 50);
    Bench b(b_batches.config);
    for (std::int64_t at : {0, 30, 60}) b.arrive(at, 1, 1);
    CHECK(b.end() == std::vector<std::int64_t>{170, 170, 280});
    // The fourth fills the batch at 30.
    Batches full_batches(4, 50);
    Bench full(full_batches.config);
    for (std::int64_t at : {0, 10, 20, 30}) full.arrive(at, 1, 1);
    CHECK(full.end() == std::vector<std::int64_t>{170, 170, 170, 170});
    // TorchServe's worker counts the delay from when it takes the first up: the third, at 170, waits until
    // 220.
    Batches picks(4, 50);
    picks.config.delay_from_pick = 1;
    Bench worker(picks.config);
    for (std::int64_t at : {0, 30, 60}) worker.arrive(at, 1, 1);
    CHECK(worker.end() == std::vector<std::int64_t>{170, 170, 220 + 110});
}

TEST_CASE("whole batches: a preferred size goes at once") {
    Batches batches(4, 1000);
    batches.prefer(2);
    Bench b(batches.config);
    for (std::int64_t at : {0, 10, 20}) b.arrive(at, 1, 1);
    // Two at 10; the third has no companion and waits its 1000.
    CHECK(b.end() == std::vector<std::int64_t>{130, 130, 1020 + 110});
}

TEST_CASE("whole batches: instances share the device, and CPUs beyond their limit") {
    // Alone each takes 110. Two at once on one device go at half speed: the first has done 50 at 50, its
    // other 60 take 120; the second has done 60 by then, and its other 50 go at full speed.
    Batches b_batches(1, 0, 2);
    Bench b(b_batches.config);
    for (std::int64_t at : {0, 50}) b.arrive(at, 1, 1);
    CHECK(b.end() == std::vector<std::int64_t>{170, 220});
    // Two workers with a core and a half: both at three quarters. 60 of the first take 80.
    Batches cores(1, 0, 2);
    cores.config.capacity_milli = 1500;
    Bench c(cores.config);
    for (std::int64_t at : {0, 50}) c.arrive(at, 1, 1);
    CHECK(c.end() == std::vector<std::int64_t>{130, 180});
    // A quarter of a core: 110 take 440.
    cores.config.capacity_milli = 250;
    Bench quarter(cores.config);
    quarter.arrive(0, 1, 1);
    CHECK(quarter.end() == std::vector<std::int64_t>{440});
}

TEST_CASE("whole batches: a generation lasts as long as the longest of its batch") {
    // Prompts padded to 10: a prefill of 20 tokens. Then 4 steps for both, with 2 x 11 to 2 x 14 tokens of
    // context.
    lab::EngineUnderTest::Limits limits;
    StepCostTable cost;
    cost.decode_step.assign(9, Tick{100});
    cost.mixed_step.assign(65, Tick{1000});
    cost.attention = {{0, Tick{0}, 1}};
    lab::EngineUnderTest engine(limits, cost);
    CHECK(engine.config().batch_time(2, 10, 5, 17).count == 1000 + 4 * 100 + 2 * (11 + 12 + 13 + 14));
    // 8 x 10 tokens are two prefills of at most 64.
    CHECK(engine.config().batch_time(8, 10, 1, 80).count == 2000);
}

TEST_CASE("data parallel: a request goes to the rank with the least to do") {
    lab::EngineUnderTest::Limits limits;
    limits.max_num_seqs = 1;
    StepCostTable cost;
    cost.decode_step.assign(2, Tick{100});
    cost.mixed_step.assign(65, Tick{1000});
    cost.attention = {{0, Tick{0}, 0}};
    lab::EngineUnderTest engine(limits, cost);
    ServerConfig& config = const_cast<ServerConfig&>(engine.config());
    config.data_parallel = 2;
    Bench b(config);
    // The second finds the first rank busy; the third waits at the first, which has no more to do than the
    // other.
    for (std::int64_t at : {0, 10, 20}) b.arrive(at, 10, 1);
    CHECK(b.end() == std::vector<std::int64_t>{1000, 1010, 2000});
}

TEST_CASE("front end: prompts are tokenised one after the other before the engine sees them") {
    lab::EngineUnderTest::Limits limits;
    StepCostTable cost;
    cost.decode_step.assign(9, Tick{100});
    cost.mixed_step.assign(65, Tick{1000});
    cost.attention = {{0, Tick{0}, 0}};
    lab::EngineUnderTest engine(limits, cost);
    ServerConfig& config = const_cast<ServerConfig&>(engine.config());
    config.front_request = Tick{300};
    config.front_prompt_token = Tick{10};
    config.front_output_token = Tick{5};
    Bench b(config);
    // 300 + 10 * 10 + 5 each: ready at 405 and 810. The first is answered at 1405, the second in the step
    // behind.
    for (std::int64_t at : {0, 0}) b.arrive(at, 10, 1);
    CHECK(b.end() == std::vector<std::int64_t>{1405, 2405});
}
