// Price lists that sell the parts of machines, and lists of one's own that say little.
#include "scenarios/markets/price_list.hpp"
#include "tests/support/problem_lines.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <sstream>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

Result<PriceList> read_parts(const std::string& text, const std::string& name = "p") {
    std::istringstream in(text);
    return read_price_list(in, name);
}
PriceList parts_accepted(const std::string& text, const std::string& name = "p") {
    auto list = read_parts(text, name);
    if (!list) FAIL(to_string(list.problems().front()));
    return std::move(*list);
}
std::string parts_refusal(const std::string& text) {
    const auto list = read_parts(text);
    REQUIRE_FALSE(list);
    return to_string(list.problems().front());
}
const PriceRow& row_of(const PriceList& list, const std::string& type, const std::string& region) {
    for (const PriceRow& row : list.rows)
        if (row.instance_type == type && row.region == region) return row;
    FAIL("no " << type << " in " << region);
    return list.rows.front();
}

/// An SKU as services.skus.list has it, with the fields that it has besides.
std::string sku(const std::string& description, const std::string& usage, const std::string& unit, int units, int nanos, const std::string& region = "us-central1") {
    return fmt::format(R"({{"name":"services/6F81-5844-456A/skus/0000","skuId":"0000","description":"{}","category":{{"serviceDisplayName":"Compute Engine","resourceFamily":"Compute","resourceGroup":"CPU",)"
                       R"("usageType":"{}"}},"serviceRegions":["{}"],"pricingInfo":[{{"summary":"","pricingExpression":{{"usageUnit":"{}","displayQuantity":1,"tieredRates":[{{"startUsageAmount":0,)"
                       R"("unitPrice":{{"currencyCode":"USD","units":"{}","nanos":{}}}}}]}},"currencyConversionRate":1,"effectiveTime":"2026-11-01T00:00:00Z"}}],"serviceProviderName":"Google"}})",
                       description, usage, region, unit, units, nanos);
}
const std::string g2 = sku("G2 Instance Core running in Americas", "OnDemand", "h", 0, 24'988'000) + "," + sku("G2 Instance Ram running in Americas", "OnDemand", "GiBy.h", 0, 2'927'000);
const std::string l4 = sku("Nvidia L4 GPU running in Americas", "OnDemand", "h", 0, 560'000'000);
const std::string l4_spot = sku("Spot Preemptible G2 Instance Core running in Americas", "Preemptible", "h", 0, 10'000'000) + "," +
                            sku("Spot Preemptible G2 Instance Ram running in Americas", "Preemptible", "GiBy.h", 0, 1'000'000) + "," +
                            sku("Nvidia L4 GPU attached to Spot Preemptible VMs running in Americas", "Preemptible", "h", 0, 200'000'000);

}  // namespace

TEST_CASE("price parts: a machine of Google's costs the sum of its SKUs, by how it is bought") {
    const PriceList list = parts_accepted(R"({"skus":[)" + g2 + "," + l4 + "," + sku("Custom G2 Instance Core running in Americas", "OnDemand", "h", 9, 0) + "," +
                                    sku("Nvidia L4 GPU attached to DWS Defined Duration VMs running in Americas", "OnDemand", "h", 9, 0) + "," +
                                    sku("Commitment v1: G2 Cpu in Americas for 3 Years", "Commit3Yr", "h", 9, 0) + R"(],"nextPageToken":"x"})" + "\n" + R"({"skus":[)" + l4_spot + "]}");
    // 8 cores, 32 GiB, one L4: 8 x 0.024988 + 32 x 0.002927 + 0.56.
    const PriceRow& one = row_of(list, "g2-standard-8", "us-central1");
    CHECK(one.on_demand == 853'568'000);
    CHECK(one.spot == 312'000'000);
    CHECK_FALSE(one.committed);
    CHECK(one.gpu == "l4-24gb");
    CHECK(one.vcpus == 8);
    CHECK(one.date == "2026-11-01");
    CHECK(row_of(list, "g2-standard-96", "us-central1").on_demand == 96 * 24'988'000LL + 384 * 2'927'000LL + 8 * 560'000'000LL);
    CHECK_THAT(lines(list.warnings), Contains("a machine's price is the sum of its SKUs"));
}

TEST_CASE("price parts: local SSDs that come with a machine are part of its price, and A100s of 80 GB are not those of 40") {
    const std::string a2 = sku("A2 Instance Core running in Americas", "OnDemand", "h", 0, 31'611'000) + "," + sku("A2 Instance Ram running in Americas", "OnDemand", "GiBy.h", 0, 4'237'000) + "," +
                           sku("Nvidia Tesla A100 80GB GPU running in Americas", "OnDemand", "h", 3, 928'080'000);
    const PriceList list = parts_accepted(R"({"skus":[)" + a2 + "," + sku("SSD backed Local Storage", "OnDemand", "GiBy.mo", 0, 80'000'000) + "]}");
    // 12 x 0.031611 + 170 x 0.004237 + 3.92808 + 375 x 0.08 / 730: what Google's page of GPU prices says of it, 5.0688.
    CHECK(static_cast<double>(*row_of(list, "a2-ultragpu-1g", "us-central1").on_demand) / 1e9 == Approx(5.068798).epsilon(1e-6));
    for (const PriceRow& row : list.rows) CHECK(row.instance_type.starts_with("a2-ultragpu"));
    CHECK_THAT(lines(list.warnings), Contains("a2-highgpu-1g: lacks the SKU \"Nvidia A100 GPU\" on demand in us-central1"));
    CHECK_THAT(lines(parts_accepted(R"({"skus":[)" + a2 + "]}").warnings), Contains("\"SSD backed Local Storage\"") && Contains("its price is without them"));
}

TEST_CASE("price parts: what a machine lacks is named") {
    CHECK_THAT(parts_refusal(R"({"skus":[)" + l4 + "]}"), Contains("g2-standard-") && Contains("\"G2 Instance Core\" and \"G2 Instance Ram\""));
    CHECK_THAT(parts_refusal(R"({"skus":[)" + g2 + "]}"), Contains("\"Nvidia L4 GPU\" on demand in us-central1"));
    CHECK_THAT(parts_refusal(R"({"skus":[{"description":"G2 Instance Core running in Iowa"}]})"), Contains("skus[0].pricingInfo"));
    CHECK_THAT(parts_refusal(R"({"skus":[)" + sku("G2 Instance Core running in Iowa", "OnDemand", "mo", 20, 0) + "]}"), Contains("priced by \"mo\", allowed: h"));
}

TEST_CASE("price parts: the table of Google's console has its regions in words") {
    const PriceList list = parts_accepted(
        "Service description,Service ID,SKU description,SKU ID,Unit description,Per unit quantity,Tiered usage start,List price ($)\n"
        "Compute Engine,6F81,G2 Instance Core running in Netherlands,A,hour,1,0,0.0275\nCompute Engine,6F81,G2 Instance Ram running in Netherlands,B,gibibyte hour,1,0,0.0032\n"
        "Compute Engine,6F81,Nvidia L4 GPU running in Netherlands,C,hour,1,0,0.62\n");
    CHECK(row_of(list, "g2-standard-4", "europe-west4").on_demand == 4 * 27'500'000 + 16 * 3'200'000 + 620'000'000);
}

TEST_CASE("price parts: Oracle's list has the price of a GPU, the same everywhere") {
    const auto product = [](const std::string& name, const std::string& metric, const std::string& value) {
        return R"({"partNumber":"B1","displayName":")" + name + R"(","metricName":")" + metric + R"(","currencyCodeLocalizations":[{"currencyCode":"USD","prices":[{"model":"PAY_AS_YOU_GO","value":)" + value + "}]}]}";
    };
    const PriceList list = parts_accepted(R"({"items":[)" + product("Compute - GPU - H100", "GPU Per Hour", "10") + "," + product("OCI - Compute - GPU - A100 - v2", "GPU Per Hour", "4") + "," +
                                    product("Compute - Standard - E4 - OCPU", "OCPU Per Hour", "0.025") + "]}");
    CHECK(row_of(list, "BM.GPU.H100.8", "us-ashburn-1").on_demand == 80'000'000'000);
    CHECK(row_of(list, "BM.GPU.A100-v2.8", "eu-frankfurt-1").on_demand == 32'000'000'000);
    CHECK_THAT(lines(list.warnings), Contains("BM.GPU4.8: lacks the price of an hour of its a100-sxm-40gb"));
}

TEST_CASE("price parts: machines whose GPUs a catalogue sells in rows of their own cost both") {
    const std::string head = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice\n";
    const std::string host = "a2-highgpu-2g,24.0,170.0,,,,us-central1,us-central1-a,1.5,0.4\n";
    const PriceList list = parts_accepted(head + host + ",,,A100,1.0,,us-central1,us-central1-a,2.9,1.1\n,,,A100,2.0,,us-central1,us-central1-a,5.8,2.2\n,,,V100,1.0,,us-central1,us-central1-a,2.48,0.74\n");
    REQUIRE(list.rows.size() == 1);
    CHECK(list.rows[0].on_demand == 7'300'000'000);
    CHECK(list.rows[0].spot == 2'600'000'000);
    CHECK(list.rows[0].gpu_count == 2);
    CHECK_THAT(lines(list.warnings), Contains("prices are the sums of both"));
    CHECK_THAT(parts_refusal(head + host + ",,,V100,1.0,,us-central1,us-central1-a,2.48,0.74\n"), Contains("has no price of a100-sxm-40gb in us-central1-a"));
}

TEST_CASE("price list: what a list of prices alone does not say of its machines is the catalogue's") {
    const PriceList list = parts_accepted("instance_type,region,price_usd_per_hour\np5.48xlarge,us-east-1,60.5\nmine.large,us-east-1,1\n");
    CHECK(list.rows[0].gpu == "h100-sxm-80gb");
    CHECK(list.rows[0].gpu_count == 8);
    CHECK(list.rows[0].vcpus == 192);
    CHECK(list.rows[0].memory_gib == 2048);
    CHECK(list.rows[0].on_demand == 60'500'000'000);
    CHECK(list.rows[1].gpu_count == 0);  // nobody knows it
    CHECK_THAT(lines(list.warnings), Contains("does not say GPUs, vCPUs, memory of p5.48xlarge"));
    PriceFilter filter;
    filter.gpu = "H100";
    CHECK(filtered(list, filter)->size() == 1);
}

TEST_CASE("price list: prices of a month, in cents, of one GPU, in other columns and for other ways of buying") {
    const auto on_demand = [](const std::string& text) { return *parts_accepted(text).rows.at(0).on_demand; };
    CHECK(on_demand("Instance Type,Region,Price (USD/hour)\ng6.xlarge,us-east-1,0.8\n") == 800'000'000);
    CHECK(on_demand("Instance Type,Region,USD/h\ng6.xlarge,us-east-1,0.8\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,price_usd_per_month\ng6.xlarge,us-east-1,584\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,price,unit\ng6.xlarge,us-east-1,584,month\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,price,unit\ng6.xlarge,us-east-1,0.8,1 Hour\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,price_cents_per_hour\ng6.xlarge,us-east-1,80\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,price_per_gpu_hour\np5.48xlarge,us-east-1,7\n") == 56'000'000'000);
    CHECK(on_demand("instance_type;region;price\np5.48xlarge;us-east-1;1.055,04\n") == 1'055'040'000'000);
    CHECK(on_demand("instance_type;region;price\np5.48xlarge;us-east-1;1 055,04\n") == 1'055'040'000'000);
    CHECK(on_demand("Prices of 2026;;\n;;\ninstance_type;region;price\ng6.xlarge;us-east-1;0,8\n") == 800'000'000);
    CHECK(on_demand("instance_type,region,Price (€),Price ($)\ng6.xlarge,us-east-1,0.7,0.8\n") == 800'000'000);
    CHECK_THAT(parts_refusal("instance_type,region,Price (€)\ng6.xlarge,us-east-1,0.7\n"), Contains("in EUR alone"));
    CHECK_THAT(parts_refusal("instance_type,region,price_eur_per_hour\ng6.xlarge,us-east-1,0.7\n"), Contains("in EUR alone"));
    CHECK_THAT(parts_refusal("instance_type,region,price,unit\ng6.xlarge,us-east-1,0.8,GB-Mo\n"), Contains("p:2: unit: found \"GB-Mo\""));
    CHECK_THAT(parts_refusal("\xff\xfei\0n\0"), Contains("is UTF-16 text"));
    const PriceList ways = parts_accepted("instance_type,region,capacity_type,os,price\ng6.xlarge,us-east-1,on-demand,Linux,0.8\ng6.xlarge,us-east-1,spot,Linux,0.3\ng6.xlarge,us-east-1,on-demand,Windows,1.2\n");
    REQUIRE(ways.rows.size() == 1);
    CHECK(ways.rows[0].on_demand == 800'000'000);
    CHECK(ways.rows[0].spot == 300'000'000);
}

TEST_CASE("price list: a machine that stands twice, one whose price is far from any, and parts of a GPU are told") {
    PriceList list = parts_accepted("instance_type,region,price,date\ng6.xlarge,us-east-1,0.8,2026-11-02\ng6.xlarge,us-east-1,0.9,2026-11-01\n");
    REQUIRE(list.rows.size() == 1);
    CHECK(list.rows[0].on_demand == 800'000'000);
    list = parts_accepted("instance_type,region,price\ng6.xlarge,us-east-1,0.8\ng6.xlarge,us-east-1,0.9\n");
    CHECK(list.rows.at(0).on_demand == 900'000'000);
    CHECK_THAT(lines(list.warnings), Contains("stands twice in us-east-1 at different prices (0.8 and 0.9 USD per hour): the last holds"));
    CHECK_THAT(lines(parts_accepted("instance_type,region,price\ng6.xlarge,us-east-1,587\n").warnings), Contains("is it the price of an hour"));
    CHECK(parts_accepted("instance_type,region,gpus,price\ng6f.large,us-east-1,1/8,0.2\n").rows.at(0).gpu_count == 0.125);
    list = parts_accepted("instance_type,region,gpu,price\nhost-1,us-east-1,8x H100,60\n");
    CHECK(list.rows.at(0).gpu_count == 8);
    CHECK(list.rows.at(0).gpu == "h100-sxm-80gb");
}

TEST_CASE("price list: zones by their ids, zones alone, and Azure's prices as a table") {
    const std::string head = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone\n";
    const PriceList ids = parts_accepted(head + "g6.xlarge,L4,1,4,16,,0.8048,0.4,us-east-1,use1-az1\ng6.xlarge,L4,1,4,16,,0.8048,0.3,us-east-1,use1-az2\n", "aws.csv");
    CHECK_THAT(lines(ids.warnings), Contains("zones by their ids (use1-az1)"));
    CHECK(PriceBook(ids).find("aws", "g6.xlarge", "us-east-1c", CapacityType::on_demand) == 804'800'000);
    CHECK(PriceBook(ids).find("aws", "g6.xlarge", "us-east-1c", CapacityType::spot) == 300'000'000);
    const PriceBook zones(parts_accepted(head + "g6.xlarge,L4,1,4,16,,0.8048,0.4,us-east-1,us-east-1a\ng6.xlarge,L4,1,4,16,,0.8048,0.3,us-east-1,us-east-1b\n", "aws.csv"));
    CHECK(zones.find("aws", "g6.xlarge", "us-east-1", CapacityType::on_demand) == 804'800'000);
    CHECK(zones.find("aws", "g6.xlarge", "us-east-1", CapacityType::spot) == 300'000'000);
    CHECK(zones.find("aws", "g6.xlarge", "us-east-1c", CapacityType::on_demand) == 804'800'000);
    CHECK_FALSE(zones.find("aws", "g6.xlarge", "us-east-1c", CapacityType::spot));  // nobody said it
    CHECK_FALSE(zones.find("aws", "g6.xlarge", "us-west-2", CapacityType::on_demand));
    const PriceList azure = parts_accepted("currencyCode,retailPrice,armRegionName,effectiveStartDate,meterName,productName,skuName,serviceName,unitOfMeasure,type,armSkuName\n"
                                     "USD,3.673,eastus,2023-03-01,NC24ads A100 v4,NCads Linux,NC24ads A100 v4,Virtual Machines,1 Hour,Consumption,Standard_NC24ads_A100_v4\n"
                                     "USD,1.2,eastus,2023-03-01,NC24ads A100 v4 Spot,NCads Linux,NC24ads A100 v4 Spot,Virtual Machines,1 Hour,Consumption,Standard_NC24ads_A100_v4\n"
                                     "USD,4.8,eastus,2023-03-01,NC24ads A100 v4,NCads Series Windows,NC24ads A100 v4,Virtual Machines,1 Hour,Consumption,Standard_NC24ads_A100_v4\n");
    REQUIRE(azure.rows.size() == 1);
    CHECK(azure.rows[0].on_demand == 3'673'000'000);
    CHECK(azure.rows[0].spot == 1'200'000'000);
}
