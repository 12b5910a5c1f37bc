// SPDX-License-Identifier: Apache-2.0
//
// Prints what a scrape would answer where there is something of everything.
#include <iostream>

#include <prometheus/text_serializer.h>

#include "metrics/catalogue.h"
#include "metrics/whole_snapshot.h"

int main() {
    prometheus::TextSerializer().Serialize(std::cout, disarmd::to_families(disarmd::test::whole_snapshot()));
    return std::cout.flush() ? 0 : 1;
}
