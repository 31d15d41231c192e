// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore

/// Answers orders by copying the order's id and the next number into a report that is encoded already: an agent of the swarm should cost
/// the machine that it shares with the gateway no more than a client of NATS, which does not look at what it carries either.
struct SwarmAnswer {
    /// The numbers start where three bytes are needed and stay below four.
    static let firstSequence: UInt64 = 20_000

    /// Taken in turn, as each answer must be news.
    private var frames: [[UInt8]]
    private let idInOrder: Range<Int>
    private let idInReport: Range<Int>
    private let sequenceInReport: Range<Int>
    private let orderTag: UInt8
    private var sequence = Self.firstSequence

    init(node: NodeID, index: Int, reports: BenchReports) throws {
        let order = reports.order(index: index, round: 0, at: Moment(wall: Timestamp(seconds: 1_700_000_000), boot: 0))
        frames = (0..<2).map { AgentFrame.report(reports.report(on: order.id, node: node, sequence: Self.firstSequence + $0)).framed }
        let body = Array(CoordinatorFrame.task(order).framed.dropFirst(4))
        let id = Array(order.id.text.utf8)
        guard let inOrder = body.firstRange(of: id), let inReport = frames[0].firstRange(of: id),
            let number = frames[0].firstRange(of: Self.varint(Self.firstSequence)), frames[1].count == frames[0].count
        else { throw BenchError.failed("the frames of the agent link are not as they were") }
        (idInOrder, idInReport, sequenceInReport, orderTag) = (inOrder, inReport, number, body[0])
    }

    /// The whole answer to the frame, when that is an order.
    mutating func answer(to frame: ArraySlice<UInt8>) -> ByteBuffer? {
        guard frame.first == orderTag, frame.count > idInOrder.upperBound else { return nil }
        let turn = Int(sequence % 2)
        let start = frame.startIndex
        frames[turn].replaceSubrange(idInReport, with: frame[start + idInOrder.lowerBound..<start + idInOrder.upperBound])
        frames[turn].replaceSubrange(sequenceInReport, with: Self.varint(sequence))
        sequence += 1
        return ByteBuffer(bytes: frames[turn])
    }

    private static func varint(_ number: UInt64) -> [UInt8] {
        [UInt8(number & 0x7f | 0x80), UInt8(number >> 7 & 0x7f | 0x80), UInt8(number >> 14)]
    }
}
