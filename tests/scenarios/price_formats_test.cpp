// Price lists as people have them: formats of other tools, in the shapes that they really have.
#include "scenarios/markets/price_list.hpp"
#include "tests/support/problem_lines.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

Result<PriceList> read_format(const std::string& text, const std::string& name = "p") {
    std::istringstream in(text);
    return read_price_list(in, name);
}
PriceList format_accepted(const std::string& text, const std::string& name = "p") {
    auto list = read_format(text, name);
    if (!list) FAIL(to_string(list.problems().front()));
    return std::move(*list);
}
std::string format_refusal(const std::string& text) {
    const auto list = read_format(text);
    REQUIRE_FALSE(list);
    return to_string(list.problems().front());
}
/// "0.8048|0.3|0.53": on demand, spot, committed, in USD; - = not offered.
std::string prices(const PriceRow& row) {
    std::ostringstream out;
    for (const auto* price : {&row.on_demand, &row.spot, &row.committed}) {
        if (price != &row.on_demand) out << '|';
        if (*price)
            out << static_cast<double>(**price) / 1e9;
        else
            out << '-';
    }
    return out.str();
}

const std::string focus_head =
    "BillingCurrency,ChargeCategory,ChargeClass,CommitmentDiscountStatus,ContractedUnitPrice,EffectiveCost,ListUnitPrice,PricingCategory,PricingQuantity,PricingUnit,ProviderName,RegionId,ResourceType,x_Operation,x_UsageType\n";

}  // namespace

TEST_CASE("price formats: SkyPilot's catalogues of other clouds") {
    // Accelerators of Google Cloud that are sold apart stand without a machine.
    PriceList list = format_accepted("InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice\n"
                              "g2-standard-8,8.0,32.0,L4,1.0,\"{'Gpus': [{'Name': 'L4'}], 'TotalGpuMemoryInMiB': 24576}\",us-central1,us-central1-a,0.85,0.34\n"
                              ",,,V100,1.0,,us-central1,us-central1-a,2.48,0.74\n,,,tpu-v5e,1.0,,us-west4,us-west4-a,9.6,\n",
                              "gcp.csv");
    REQUIRE(list.rows.size() == 1);
    CHECK(list.rows[0].cloud == "gcp");
    CHECK_THAT(lines(list.warnings), Contains("without an instance type") && Contains("(2 such)"));
    list = format_accepted("\xef\xbb\xbfInstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Generation,GpuInfo,Price,SpotPrice,Region\r\nStandard_NC24ads_A100_v4,A100-80GB,1.0,24.0,220.0,V2,\"{'Gpus': []}\",3.673,nan,eastus\r\n");
    CHECK(list.rows[0].cloud == "azure");
    CHECK(list.rows[0].gpu == "a100-pcie-80gb");  // its name is of either form: the catalogue knows which one this machine has
    CHECK(prices(list.rows[0]) == "3.673|-|-");
    list = format_accepted("InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Region,SpotPrice,Price,AvailabilityZone\n1x_RTX4090_SECURE,RTX4090,1,6,41,,US,,0.69,US-TX-3\n", "catalogs/v5/runpod/vms.csv");
    CHECK(list.rows[0].cloud == "runpod");
    CHECK(list.rows[0].gpu == "rtx-4090-24gb");
}

TEST_CASE("price formats: FOCUS exports, with what is no price in them") {
    const PriceList list = format_accepted(focus_head +
                                    "USD,Usage,,,0.72,17.28,0.8,Standard,24,Hours,AWS,us-east-1,Instance,RunInstances,BoxUsage:g6.xlarge\n"
                                    // Spot and commitments cost what is effectively paid: their contracted price is the one on demand.
                                    "USD,Usage,,,0.8,3.1,0.8,Dynamic,10,Hours,AWS,us-east-1,Instance,RunInstances:SV001,SpotUsage:g6.xlarge\n"
                                    "USD,Usage,,Used,55.04,816,55.04,Committed,24,Hours,AWS,us-east-1,Instance,RunInstances,BoxUsage:p5.48xlarge\n"
                                    "USD,Usage,,Unused,,100,,Committed,2,Hours,AWS,us-east-1,Instance,RunInstances,BoxUsage:p4d.24xlarge\n"
                                    "USD,Credit,,,,-100,,,,,AWS,us-east-1,,,BoxUsage:g6.2xlarge\n"
                                    "USD,Usage,Correction,,0.97,-3,0.97,Standard,-3,Hours,AWS,us-east-1,Instance,RunInstances,BoxUsage:g6.2xlarge\n"
                                    "USD,Usage,,,-1.3,-1.3,-1.3,Standard,1,Hours,AWS,us-east-1,Instance,RunInstances,BoxUsage:g6.4xlarge\n"
                                    "USD,Usage,,,1.58,1.58,1.58,Standard,1,Hours,AWS,us-east-1,Instance,RunInstances:0002,BoxUsage:g5.2xlarge\n"
                                    "USD,Usage,,,0.04,0.04,0.04,Standard,1,vCPU-Hours,AWS,us-east-1,task2,,Fargate-vCPU-Hours:perCPU\n"
                                    "USD,Usage,,,100.6,100.6,100.6,Standard,1,100 Hours,AWS,us-west-2,Instance,RunInstances,USW2-BoxUsage:g5.xlarge\n");
    REQUIRE(list.rows.size() == 3);
    CHECK((list.rows[0].instance_type == "g5.xlarge" && prices(list.rows[0]) == "1.006|-|-"));
    CHECK((list.rows[1].instance_type == "g6.xlarge" && prices(list.rows[1]) == "0.72|0.31|-"));
    CHECK((list.rows[2].instance_type == "p5.48xlarge" && prices(list.rows[2]) == "-|-|34"));
    CHECK_THAT(lines(list.warnings), Contains("ContractedUnitPrice: found \"-1.3\", which is less than nothing: left out"));
    // From 1.2 on: billed in euros, priced in dollars.
    const PriceList priced = format_accepted(
        "BillingCurrency,ChargeCategory,ListUnitPrice,PricingCategory,PricingCurrency,PricingCurrencyListUnitPrice,PricingUnit,ProviderName,RegionId,ResourceType,SkuPriceDetails\n"
        "EUR,Usage,3.4,Standard,USD,3.673,1 Hour,Microsoft,eastus,Virtual machine,\"{\"\"InstanceType\"\":\"\"Standard_NC24ads_A100_v4\"\"}\"\n");
    CHECK((priced.rows[0].cloud == "azure" && prices(priced.rows[0]) == "3.673|-|-"));
}

TEST_CASE("price formats: AWS's cost and usage report, of both versions") {
    const std::string rows = "Usage,USE1-BoxUsage:g6.xlarge,RunInstances,g6.xlarge,us-east-1,us-east-1a,Hrs,0.72,0.8048,24,,,USD,2026-01-01T00:00:00Z\n"
                             "Usage,SpotUsage:g6.xlarge,RunInstances:SV001,g6.xlarge,us-east-1,us-east-1b,Hrs,0.31,0.8048,1,,,USD,2026-01-01T00:00:00Z\n"
                             "DiscountedUsage,BoxUsage:p5.48xlarge,RunInstances,p5.48xlarge,us-east-1,,Hrs,0,55.04,2,68,,USD,2026-01-01T00:00:00Z\n"
                             "SavingsPlanCoveredUsage,BoxUsage:g5.xlarge,RunInstances,g5.xlarge,us-east-1,,Hrs,1.006,1.006,10,,6,USD,2026-01-01T00:00:00Z\n"
                             "Usage,BoxUsage:g5.2xlarge,RunInstances:0002,g5.2xlarge,us-east-1,,Hrs,1.58,1.58,1,,,USD,2026-01-01T00:00:00Z\n"
                             "Tax,BoxUsage:g6.2xlarge,RunInstances,g6.2xlarge,us-east-1,,Hrs,9,9,1,,,USD,2026-01-01T00:00:00Z\n"
                             "Usage,EBS:VolumeUsage.gp3,CreateVolume-Gp3,,us-east-1,,GB-Mo,0.08,0.08,1,,,USD,2026-01-01T00:00:00Z\n";
    for (const char* head : {"lineItem/LineItemType,lineItem/UsageType,lineItem/Operation,product/instanceType,product/regionCode,lineItem/AvailabilityZone,pricing/unit,lineItem/UnblendedRate,pricing/publicOnDemandRate,lineItem/UsageAmount,"
                             "reservation/EffectiveCost,savingsPlan/SavingsPlanEffectiveCost,lineItem/CurrencyCode,lineItem/UsageStartDate\n",
                             "line_item_line_item_type,line_item_usage_type,line_item_operation,product_instance_type,product_region_code,line_item_availability_zone,pricing_unit,line_item_unblended_rate,pricing_public_on_demand_rate,line_item_usage_amount,"
                             "reservation_effective_cost,savings_plan_savings_plan_effective_cost,line_item_currency_code,line_item_usage_start_date\n"}) {
        const PriceList list = format_accepted(head + rows);
        REQUIRE(list.rows.size() == 4);
        CHECK((list.rows[0].instance_type == "g5.xlarge" && prices(list.rows[0]) == "-|-|0.6"));
        CHECK((list.rows[1].zone.empty() && prices(list.rows[1]) == "0.72|-|-"));
        CHECK((list.rows[2].zone == "us-east-1b" && prices(list.rows[2]) == "-|0.31|-"));
        CHECK((list.rows[3].instance_type == "p5.48xlarge" && prices(list.rows[3]) == "-|-|34"));
    }
    CHECK_THAT(format_refusal("PAR1\x15\x04"), Contains("a Parquet file") && Contains("as CSV"));
}

TEST_CASE("price formats: AWS's price list as bulk JSON, CSV and GetProducts, spot price histories, ec2instances.info") {
    const std::string product =
        R"({"sku":"A","productFamily":"Compute Instance","attributes":{"regionCode":"us-east-1","instanceType":"g6.xlarge","operatingSystem":"SYSTEM","tenancy":"Shared","preInstalledSw":"NA","capacitystatus":"Used","vcpu":"4","memory":"16 GiB","gpu":"1"}})";
    const auto of = [&](const std::string& system) { return std::string(product).replace(product.find("SYSTEM"), 6, system); };
    const auto term = [](const std::string& price, const std::string& attributes) {
        return R"({"t":{"effectiveDate":"2025-11-01","termAttributes":{)" + attributes + R"(},"priceDimensions":{"d":{"unit":"Hrs","pricePerUnit":{"USD":")" + price + R"("}}}}})";
    };
    const std::string year = R"("LeaseContractLength":"1yr","OfferingClass":"standard","PurchaseOption":"No Upfront")", three = R"("LeaseContractLength":"3yr","OfferingClass":"standard","PurchaseOption":"No Upfront")";
    const PriceList bulk = format_accepted(R"({"formatVersion":"v1.0","products":{"A":)" + of("Linux") + R"(,"B":)" + of("Windows") + R"(},"terms":{"OnDemand":{"A":)" + term("0.8048", "") + R"(,"B":)" + term("1.2", "") +
                                    R"(},"Reserved":{"A":)" + term("0.53", year) + R"(,"C":)" + term("0.4", three) + "}}}");
    REQUIRE(bulk.rows.size() == 1);
    CHECK(prices(bulk.rows[0]) == "0.8048|-|0.53");
    // What the cloud would sell for a year is not what nodes on demand cost.
    CHECK(PriceBook(bulk).find("aws", "g6.xlarge", "us-east-1", CapacityType::on_demand) == 804'800'000);
    CHECK_FALSE(PriceBook(bulk).speaks_of(CapacityType::spot));
    CHECK_THAT(price_table(bulk.rows, bulk, 9), Contains("committed") && Contains("0.5300"));
    const PriceList csv = format_accepted("\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"For information only\"\n\"OfferCode\",\"AmazonEC2\"\n"
                                   "\"SKU\",\"TermType\",\"EffectiveDate\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Instance Type\",\"Region Code\",\"Tenancy\",\"Operating System\",\"CapacityStatus\",\"Pre Installed S/W\"\n"
                                   "\"A\",\"OnDemand\",\"2025-11-01\",\"Hrs\",\"0.8048000000\",\"USD\",\"g6.xlarge\",\"us-east-1\",\"Shared\",\"Linux\",\"Used\",\"NA\"\n"
                                   "\"B\",\"OnDemand\",\"2025-11-01\",\"Hrs\",\"0.9\",\"USD\",\"g6.xlarge\",\"us-east-1\",\"Dedicated\",\"Linux\",\"Used\",\"NA\"\n");
    CHECK(prices(csv.rows.at(0)) == "0.8048|-|-");
    const PriceList spot = format_accepted(R"({"SpotPriceHistory":[{"AvailabilityZone":"us-east-1a","InstanceType":"g6.xlarge","ProductDescription":"Linux/UNIX","SpotPrice":"0.301","Timestamp":"2025-11-20T10:00:00Z"},
        {"AvailabilityZone":"us-east-1a","InstanceType":"g6.xlarge","ProductDescription":"Linux/UNIX","SpotPrice":"0.29","Timestamp":"2025-11-19T10:00:00Z"},
        {"AvailabilityZone":"us-east-1a","InstanceType":"g6.xlarge","ProductDescription":"Windows","SpotPrice":"0.9","Timestamp":"2025-11-21T10:00:00Z"}]})");
    REQUIRE(spot.rows.size() == 1);
    CHECK((spot.rows[0].zone == "us-east-1a" && prices(spot.rows[0]) == "-|0.301|-"));
    const PriceList info = format_accepted(R"([{"instance_type":"g6.xlarge","vCPU":4,"memory":16,"GPU":1,"pricing":{"us-east-1":{"linux":{"ondemand":"0.8048","spot_min":"0.2","spot_avg":"0.31","reserved":{"yrTerm1Standard.noUpfront":"0.53"}}},"eu-west-1":{"linux":{"ondemand":"N/A"}}}}])");
    REQUIRE(info.rows.size() == 1);
    CHECK(prices(info.rows[0]) == "0.8048|0.31|0.53");
}

TEST_CASE("price formats: Karpenter's tables in Go and JSON, pages of Azure's API, lists with other separators") {
    const PriceList go = format_accepted("//go:build !ignore_autogenerated\n\n/*\n\"quoted\": 1\n*/\npackage pricing\n\nimport \"time\"\n\nvar initialPriceUpdate, _ = time.Parse(time.RFC3339, \"2025-07-22T17:10:24Z\")\n"
                                  "var InitialOnDemandPricesAWS = map[string]map[string]float64{\n\t// us-east-1\n\t\"us-east-1\": {\n\t\t\"g6.xlarge\": 0.80480, \"g6.2xlarge\": 0.97760,\n\t},\n\t\"eu-west-1\": {\"g6.xlarge\": 0.9},\n}\n");
    REQUIRE(go.rows.size() == 3);
    CHECK((go.rows[0].instance_type == "g6.2xlarge" && go.rows[0].region == "us-east-1" && prices(go.rows[0]) == "0.9776|-|-"));
    CHECK(go.rows[1].region == "eu-west-1");
    const PriceList map = format_accepted(R"({"us-east-1":{"g6.xlarge":"0.8"},"us-west-2":{"g6.xlarge":{"on_demand":0.81,"spot":0.3}}})");
    REQUIRE(map.rows.size() == 2);
    CHECK(prices(map.rows[1]) == "0.81|0.3|-");
    CHECK_THAT(format_refusal(R"({"prices":{"us-east-1":{"monthly":{"g6.xlarge":600}}}})"), Contains("prices.us-east-1.monthly") && Contains("on_demand and spot"));
    const std::string page = R"({"Items":[{"currencyCode":"USD","unitPrice":3.673,"armRegionName":"eastus","armSkuName":"Standard_NC24ads_A100_v4","skuName":"NC24","serviceName":"Virtual Machines","unitOfMeasure":"1 Hour","type":"Consumption"},
        {"currencyCode":"USD","unitPrice":60000,"armRegionName":"eastus","armSkuName":"Standard_NC24ads_A100_v4","skuName":"NC24","serviceName":"Virtual Machines","unitOfMeasure":"1 Hour","type":"Reservation","reservationTerm":"3 Years"}]})";
    CHECK(prices(format_accepted("[" + page + "," + page + "]").rows.at(0)) == "3.673|-|-");
    CHECK(prices(format_accepted(page + "\n" + page).rows.at(0)) == "3.673|-|-");  // pages of several lines each, one after the other
    const auto entry = [](const std::string& price, const std::string& date) {
        return R"({"AvailabilityZone":"us-east-1a","InstanceType":"g6.xlarge","ProductDescription":"Linux/UNIX","SpotPrice":")" + price + R"(","Timestamp":")" + date + "\"}\n";
    };
    const PriceList entries = format_accepted(entry("0.31", "2025-11-20T10:00:00Z") + entry("0.29", "2025-11-19T10:00:00Z"));
    REQUIRE(entries.rows.size() == 1);
    CHECK(prices(entries.rows[0]) == "-|0.31|-");  // the latest
    std::string line = page;
    line.erase(line.find('\n'), 1);
    CHECK(prices(format_accepted(line + "\n" + line + "\n").rows.at(0)) == "3.673|-|-");
    CHECK(prices(format_accepted("instance_type;region;price_usd_per_hour\ng6.xlarge;us-east-1;0,8048\n").rows.at(0)) == "0.8048|-|-");
    CHECK(prices(format_accepted("instance_type\tregion\tprice_usd_per_hour\ng6.xlarge\tus-east-1\t$1,000.5 hourly\n").rows.at(0)) == "1000.5|-|-");
    CHECK(prices(format_accepted("instance_type,region,price_usd_per_hour,spot_usd_per_hour\ng6.xlarge,us-east-1,0.8,0\n").rows.at(0)) == "0.8|-|-");
}

TEST_CASE("price formats: what cannot be read says where and what would do") {
    CHECK_THAT(format_refusal("instance_type,region,price_usd_per_hour\ng6.xlarge,us-east-1,a,0.8\n"), Contains("p:2") && Contains("4 fields") && Contains("the header's 3"));
    CHECK_THAT(format_refusal("{\"prices\": {\n \"us-east-1\": {\"on_demand\": {\"g6.xlarge\": 0.8,}}}}\n"), Contains("p:2") && Contains("no JSON"));
    CHECK_THAT(format_refusal(R"({"skus":[{"description":"Network Egress"}]})"), Contains("no machine's price"));
    CHECK_THAT(format_refusal(R"({"version":"0.2","projects":[]})"), Contains("is no price list"));
    CHECK_THAT(format_refusal("InstanceType,Price,Region\n"), Contains("no machine's price"));
    CHECK_THAT(format_refusal("API Name,Instance Memory,On Demand\ng6.xlarge,16 GiB,$0.8 hourly\n"), Contains("a region or zone"));
}
