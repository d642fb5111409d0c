# shows: pure Python computing: a planetary simulation, dictionaries and sorting.
import sys


def simulate(rounds):
    x, y, vx, vy, energy = 1.0, 0.0, 0.0, 1.0, 0.0
    for _ in range(rounds):
        distance = (x * x + y * y) ** -1.5
        vx -= x * distance * 0.001
        vy -= y * distance * 0.001
        x += vx * 0.001
        y += vy * 0.001
        energy += vx * vx + vy * vy
    return energy


rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
print("%.6f" % simulate(rounds))
table = {}
for number in range(300_000):
    table[str(number * 7919 % 300_007)] = number
print(sum(table.values()), sorted(table)[1000])
