# shows: pure Python: five bodies under gravity for N steps (floating point, tuples, lists), and a dictionary of 300,000 strings.
import sys
from math import sqrt

SOLAR_MASS = 4 * 3.141592653589793 ** 2
DAYS = 365.24
# Position, velocity, mass: the sun and the four giant planets.
BODIES = [
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], SOLAR_MASS),
    ([4.84143144246472090, -1.16032004402742839, -0.103622044471123109],
     [0.00166007664274403694 * DAYS, 0.00769901118419740425 * DAYS, -0.0000690460016972063023 * DAYS], 0.000954791938424326609 * SOLAR_MASS),
    ([8.34336671824457987, 4.12479856412430479, -0.403523417114321381],
     [-0.00276742510726411153 * DAYS, 0.00499852801234917238 * DAYS, 0.0000230417297573763929 * DAYS], 0.000285885980666130812 * SOLAR_MASS),
    ([12.8943695621391310, -15.1111514016986312, -0.223307578892655734],
     [0.00296460137564761618 * DAYS, 0.00237847173959480950 * DAYS, -0.0000296589568540237556 * DAYS], 0.0000436624404335156298 * SOLAR_MASS),
    ([15.3796971148509165, -25.9193146099879641, 0.179258772950371181],
     [0.00268067772490389322 * DAYS, 0.00162824170038242295 * DAYS, -0.0000951592254519715870 * DAYS], 0.0000515138902046611451 * SOLAR_MASS),
]
PAIRS = [(one, other) for index, one in enumerate(BODIES) for other in BODIES[index + 1:]]


def advance(step, count):
    for _ in range(count):
        for ([x1, y1, z1], v1, m1), ([x2, y2, z2], v2, m2) in PAIRS:
            dx = x1 - x2
            dy = y1 - y2
            dz = z1 - z2
            magnitude = step * ((dx * dx + dy * dy + dz * dz) ** -1.5)
            by_one = m1 * magnitude
            by_other = m2 * magnitude
            v1[0] -= dx * by_other
            v1[1] -= dy * by_other
            v1[2] -= dz * by_other
            v2[0] += dx * by_one
            v2[1] += dy * by_one
            v2[2] += dz * by_one
        for place, [vx, vy, vz], _mass in BODIES:
            place[0] += step * vx
            place[1] += step * vy
            place[2] += step * vz


def energy():
    total = sum(m * (vx * vx + vy * vy + vz * vz) / 2 for _, [vx, vy, vz], m in BODIES)
    for ([x1, y1, z1], _, m1), ([x2, y2, z2], _, m2) in PAIRS:
        total -= m1 * m2 / sqrt((x1 - x2) ** 2 + (y1 - y2) ** 2 + (z1 - z2) ** 2)
    return total


print("%.9f" % energy())
advance(0.01, int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
print("%.9f" % energy())
squares = {}
for number in range(300_000):
    squares[str(number)] = number * number
print(sum(squares.values()) % 1_000_003)
