// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("time")
struct TimeTests {
    @Test(
        "a timestamp is UTC to the millisecond",
        arguments: [
            ("1970-01-01T00:00:00.000Z", 0), ("2026-11-23T08:40:01.250Z", 1_795_423_201_250), ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("1969-12-31T23:59:59.999Z", -1),
        ] as [(String, Int64)])
    func known(_ text: String, _ milliseconds: Int64) {
        #expect(Timestamp(text)?.milliseconds == milliseconds)
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test(
        "another zone, another form or a day that is not there is refused",
        arguments: [
            "", "2026-11-23", "2026-11-23T08:40:01", "2026-11-23T08:40:01+01:00", "2026-11-23 08:40:01Z", "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T08:60:00Z", "2026-11-23T08:40:60Z", "2026-11-23T08:40:01.25Z",
            "2O26-11-23T08:40:01Z",
        ])
    func refused(_ text: String) { #expect(Timestamp(text) == nil) }

    @Test("any time from year 0 to 9999 reads back from its text")
    func roundTrip() {
        var random = SplitMix(seed: 1970)
        for _ in 0..<5000 {
            let time = Timestamp(milliseconds: Int64.random(in: -62_167_219_200_000...253_402_300_799_999, using: &random))
            #expect(Timestamp(time.description) == time)
            #expect(Timestamp(seconds: time.seconds) <= time && time - Timestamp(seconds: time.seconds) < .seconds(1))
        }
    }

    @Test("the boot clock alone says how old something is")
    func ages() {
        let then = Moment(wall: Timestamp(seconds: 1000), boot: 5000)
        let steppedBack = Moment(wall: Timestamp(seconds: 10), boot: 65_000)
        #expect(steppedBack.age(of: then) == .seconds(60))
        #expect(then.advanced(by: .seconds(2)) == Moment(wall: Timestamp(seconds: 1002), boot: 7000))
    }

    @Test(
        "durations are told briefly",
        arguments: [
            (0, "0ms"), (250, "250ms"), (1500, "1.500s"), (30_000, "30s"), (90_000, "1m30s"), (3_600_000, "1h"), (-90_000, "-1m30s"),
        ] as [(Int64, String)])
    func brief(_ milliseconds: Int64, _ text: String) { #expect(Duration.milliseconds(milliseconds).briefly == text) }
}
