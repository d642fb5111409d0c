// The EVEX opcodes that exist, one row for each kind. Made by `DecoderCheck --tables` from what Zydis says; do not edit by hand.
// See VexOpcodes.swift.

let evexOpcodes: StaticString = """
  1 np 0000003f ff u 10-11 28-29
  1 np 00000003 ff - 12 16
  1 np 00000001 ff u 13 17
  1 np 0015003f ff - 14-15 54-57
  1 np 00000015 ff u 2b
  1 np 00aa003f ff uf 2e-2f
  1 np 00bf003f ff u 51 5a
  1 np 00bf003f ff - 58-59 5c-5f
  1 np bfbf3f3f ff u 5b 78-79
  1 np 00bf003f ff i c2
  1 np 0015003f ff i c6
  1 66 00003f00 ff u 10-11 28-29
  1 66 00000100 ff - 12 16
  1 66 00000100 ff u 13 17
  1 66 15003f00 ff - 14-15 54-57 6c-6d d4 f4 fb
  1 66 00001500 ff u 2b
  1 66 aa003f00 ff uf 2e-2f
  1 66 bf003f00 ff u 51 5a e6
  1 66 bf003f00 ff - 58-59 5c-5f
  1 66 00bf003f ff u 5b
  1 66 00003f3f ff - 60-61 63-65 67-69 74-75 d1 d5 d8-da dc-de e0-e5 e8-ea ec-ee f1 f5-f6 f8-f9 fc-fd
  1 66 0015003f ff - 62 66 6a-6b 76 fa fe
  1 66 00000303 ff um 6e
  1 66 00003f3f ff u 6f 7f
  1 66 0015003f ff iu 70
  1 66 00003f3f 54 i 71
  1 66 15153f3f 13 i 72
  1 66 0015003f 44 i 72
  1 66 15003f00 44 i 73
  1 66 00003f3f 88 i 73
  1 66 bfbf3f3f ff u 78-7b
  1 66 00000303 ff uM 7e
  1 66 bf003f00 ff i c2
  1 66 00000303 ff im c4
  1 66 00000202 ff iuG c5
  1 66 15003f00 ff i c6
  1 66 0000003f ff - d2 f2
  1 66 00003f00 ff - d3 f3
  1 66 00000300 ff u d6
  1 66 15153f3f ff - db df eb ef
  1 66 00000015 ff u e7
  1 f3 0000003f ff U 10-11
  1 f3 0000003f ff u 12 16
  1 f3 aaaa3f3f ff m 2a 7b
  1 f3 aaaa3f3f ff uG 2c-2d 78-79
  1 f3 00aa003f ff - 51 58-5a 5c-5f
  1 f3 00bf003f ff u 5b
  1 f3 00003f3f ff u 6f 7f
  1 f3 00003f3f ff iu 70
  1 f3 bfbf3f3f ff u 7a e6
  1 f3 00000300 ff u 7e
  1 f3 00aa003f ff i c2
  1 f2 00003f00 ff U 10-11
  1 f2 00003f00 ff u 12
  1 f2 aaaa3f3f ff m 2a 7b
  1 f2 aaaa3f3f ff uG 2c-2d 78-79
  1 f2 aa003f00 ff - 51 58-5a 5c-5f
  1 f2 00003f3f ff u 6f 7f
  1 f2 00003f3f ff iu 70
  1 f2 bfbf3f3f ff u 7a
  1 f2 aa003f00 ff i c2
  1 f2 bf003f00 ff u e6
  2 66 00003f3f ff - 00 04 0b 26 38 3a 3c 3e 4d 4f 66 75 7d 8d dc-df
  2 66 0015003f ff - 0c 2b 50-53
  2 66 15003f00 ff - 0d 28-29 37 83 b4-b5
  2 66 00003f00 ff - 10-12 70 72
  2 66 00aa003f ff u 13
  2 66 15153f3f ff - 14-15 27 39 3b 3d 3f-40 45-47 64-65 71 73 76-77 7e-7f
  2 66 14143c3c ff - 16 36
  2 66 0000003f ff u 18 25 35 58 78-79
  2 66 00003c3c ff u 19
  2 66 00001414 ff u 1a 5a
  2 66 00001010 ff u 1b 5b
  2 66 00003f3f ff u 1c-1d 20-24 30-34 54 59 62-63 88-8b
  2 66 0015003f ff u 1e
  2 66 15003f00 ff u 1f
  2 66 00000015 ff u 2a
  2 66 bfbf3f3f ff - 2c 96-98 9a 9c 9e a6-a8 aa ac ae b6-b8 ba bc be
  2 66 aaaa3f3f ff - 2d 43 99 9b 9d 9f a9 ab ad af b9 bb bd bf cb cd
  2 66 bfbf3f3f ff u 42
  2 66 15153f3f ff u 44 4c 4e 55 c4
  2 66 0000002a ff um 7a-7b
  2 66 00002a2a ff um 7c
  2 66 0000003f ff - 8f cf
  2 66 00001515 ff xsu 90-93 a0-a3
  2 66 00001010 66 xsu c6-c7
  2 66 baba3030 ff u c8 ca cc
  2 f3 0000003f ff u 10-15 20-25 30-35
  2 f3 00003f3f ff - 26
  2 f3 15153f3f ff - 27
  2 f3 00002a2a ff u 28-29 38-39
  2 f3 00002a00 ff u 2a
  2 f3 0000002a ff u 3a
  2 f3 0015003f ff - 52
  2 f3 0015003f ff u 72
  2 f2 00000010 ff - 52-53 9a aa
  2 f2 15153f3f ff - 68
  2 f2 0015003f ff - 72
  2 f2 00000015 ff - 9b ab
  3 np 00bf003f ff iu 08 26 56
  3 np 00aa003f ff i 0a 27 57
  3 np 0015003f ff iu 66
  3 np 0000003f ff iu 67
  3 np 00bf003f ff i c2
  3 66 14003c00 ff iu 00-01
  3 66 15153f3f ff i 03 1e-1f 25 71 73
  3 66 0015003f ff iu 04
  3 66 15003f00 ff iu 05
  3 66 00bf003f ff iu 08
  3 66 bf003f00 ff iu 09
  3 66 00aa003f ff i 0a
  3 66 aa003f00 ff i 0b
  3 66 00003f3f ff i 0f 3e-3f 44
  3 66 00000303 ff iuM 14-17
  3 66 00003c3c ff i 18 38
  3 66 00003c3c ff iu 19 39
  3 66 00003030 ff i 1a 3a
  3 66 00003030 ff iu 1b 3b
  3 66 00aa003f ff iu 1d
  3 66 00000303 ff im 20 22
  3 66 00000003 ff i 21
  3 66 14143c3c ff i 23 43
  3 66 bfbf3f3f ff iu 26 56
  3 66 aaaa3f3f ff i 27 51 55 57
  3 66 0000003f ff i 42
  3 66 bfbf3f3f ff i 50 54
  3 66 15153f3f ff iu 66
  3 66 00003f3f ff iu 67
  3 66 00003f00 ff i 70 72
  3 66 15003f00 ff i ce-cf
  3 f3 00aa003f ff i c2
  5 np 00aa003f ff - 1d
  5 np 00aa003f ff uf 2e-2f
  5 np 00bf003f ff u 51 5a 78-79 7c-7d
  5 np 00bf003f ff - 58-59 5c-5f
  5 np bfbf3f3f ff u 5b
  5 66 00bf003f ff u 1d 5b 78-7d
  5 66 bf003f00 ff u 5a
  5 66 00000303 ff um 6e
  5 66 00000303 ff uM 7e
  5 f3 0000003f ff U 10-11
  5 f3 aaaa3f3f ff m 2a 7b
  5 f3 aaaa3f3f ff uG 2c-2d 78-79
  5 f3 00aa003f ff - 51 58-5a 5c-5f
  5 f3 00bf003f ff u 5b 7d
  5 f2 aa003f00 ff - 5a
  5 f2 bfbf3f3f ff u 7a
  5 f2 00bf003f ff u 7d
  6 np 00aa003f ff - 13
  6 66 00bf003f ff u 13 42
  6 66 00bf003f ff - 2c 96-98 9a 9c 9e a6-a8 aa ac ae b6-b8 ba bc be
  6 66 00aa003f ff - 2d 43 99 9b 9d 9f a9 ab ad af b9 bb bd bf
  6 66 0015003f ff u 4c 4e
  6 66 0000003f ff - 4d 4f
  6 f3 00bf003f ff - 56 d6
  6 f3 00aa003f ff - 57 d7
  6 f2 00bf003f ff - 56 d6
  6 f2 00aa003f ff - 57 d7
  """
