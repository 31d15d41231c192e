// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Testing

@Suite("The dashboard")
struct DashboardTests {
    @Test("it loads nothing from elsewhere and writes no markup that came from outside")
    func closed() {
        let page = DashboardPage.html
        for word in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.hasPrefix("<!doctype html>") && page.contains("/v1/status") && page.contains("/v1/events?follow=true"))
    }
}
