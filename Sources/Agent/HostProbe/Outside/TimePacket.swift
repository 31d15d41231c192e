// SPDX-License-Identifier: Apache-2.0

/// A packet of SNTP (RFC 4330): 48 bytes, of which a question needs the first byte and a timestamp of its own that the answer repeats.
struct TimePacket: Hashable, Sendable {
    static let length = 48
    /// What an answer is known by: any eight bytes that nobody can guess.
    let originate: [UInt8]

    /// Version 4, mode 3 (client).
    var bytes: [UInt8] { [0x23] + Array(repeating: 0, count: 39) + originate }

    enum Verdict: Hashable, Sendable { case synchronised, unsynchronised }

    /// What an answer to this question says of its sender's clock; `nil` for what is no answer to it.
    func verdict(on answer: ArraySlice<UInt8>) -> Verdict? {
        let answer = Array(answer)
        // Mode 4 (server), and our own timestamp in its place.
        guard answer.count >= Self.length, answer[0] & 7 == 4, answer[24..<32].elementsEqual(originate) else { return nil }
        let (leap, stratum) = (answer[0] >> 6, answer[1])
        // Stratum 0 is a refusal ("kiss of death"), and from 16 on the server knows no time.
        return leap != 3 && (1..<16).contains(stratum) ? .synchronised : .unsynchronised
    }
}
