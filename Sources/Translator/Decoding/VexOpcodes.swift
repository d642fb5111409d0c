// The VEX and XOP opcodes that exist, one row for each kind. Made by `DecoderCheck --tables` from what Zydis says; do not edit by hand.
//
// map, mandatory prefix, forms and values of ModRM.reg that exist (bit masks, see `VectorOpcode`), facts, opcodes. Facts: i an immediate byte,
// d an immediate of 4 bytes, x a vector as index, s SIB needed, n ModRM.rm is 0, u VEX.vvvv unused, U unused with a memory operand, g G general
// register in ModRM.reg read, written, m M the same in ModRM.rm, v V in VEX.vvvv, f all flags written, z carry and zero, c carry, 0 no ModRM.

let vexOpcodes: StaticString = """
  1 np ff ff u 10-11 28-29 51-53 5a-5b
  1 np 33 ff - 12 16
  1 np 11 ff u 13 17 91
  1 np ff ff - 14-15 54-59 5c-5f
  1 np 55 ff u 2b
  1 np ff ff uf 2e-2f
  1 np 88 ff - 41-42 45-47 4a-4b
  1 np 22 ff u 44
  1 np aa ff uG 50
  1 np ff ff 0u 77
  1 np 33 ff u 90
  1 np 02 ff um 92
  1 np 02 ff uG 93
  1 np 22 ff uf 98-99
  1 np 11 0c u ae
  1 np ff ff i c2 c6
  1 66 ff ff u 10-11 28-29 51 5a-5b 6f 7f e6
  1 66 11 ff - 12 16
  1 66 11 ff u 13 17 91
  1 66 ff ff - 14-15 54-59 5c-6d 74-76 7c-7d d0-d5 d8-e5 e8-ef f1-f6 f8-fe
  1 66 55 ff u 2b e7
  1 66 ff ff uf 2e-2f
  1 66 88 ff - 41-42 45-47 4a
  1 66 22 ff u 44 f7
  1 66 08 ff - 4b
  1 66 aa ff uG 50 d7
  1 66 33 ff um 6e
  1 66 ff ff iu 70
  1 66 aa 54 i 71-72
  1 66 aa cc i 73
  1 66 33 ff uM 7e
  1 66 33 ff u 90 d6
  1 66 02 ff um 92
  1 66 02 ff uG 93
  1 66 22 ff uf 98-99
  1 66 ff ff i c2 c6
  1 66 33 ff im c4
  1 66 22 ff iuG c5
  1 f3 ff ff U 10-11
  1 f3 ff ff u 12 16 5b 6f 7f e6
  1 f3 ff ff m 2a
  1 f3 ff ff uG 2c-2d
  1 f3 ff ff - 51-53 58-5a 5c-5f
  1 f3 ff ff iu 70
  1 f3 33 ff u 7e
  1 f3 ff ff i c2
  1 f2 ff ff U 10-11
  1 f2 ff ff u 12 e6
  1 f2 ff ff m 2a
  1 f2 ff ff uG 2c-2d
  1 f2 ff ff - 51 58-5a 5c-5f 7c-7d d0
  1 f2 ff ff iu 70
  1 f2 22 ff um 92
  1 f2 22 ff uG 93
  1 f2 ff ff i c2
  1 f2 55 ff u f0
  2 np 03 01 nu 49
  2 np 02 ff - 5e
  2 np 33 ff Gmvf f2 f5 f7
  2 np 33 0e mVf f3
  2 66 ff ff - 00-0b 28-29 2b 37-40 45 47 96-9f a6-af b6-bf dc-df
  2 66 0f ff - 0c-0d 46 50-53 cf
  2 66 0f ff uz 0e-0f
  2 66 0f ff u 13 18 58-59 78-79
  2 66 0c ff - 16 36
  2 66 ff ff uz 17
  2 66 0c ff u 19
  2 66 04 ff u 1a 5a
  2 66 ff ff u 1c-1e 20-25 30-35
  2 66 55 ff u 2a
  2 66 05 ff - 2c-2f
  2 66 33 ff u 41 db
  2 66 01 01 u 49
  2 66 01 ff su 4b
  2 66 02 ff - 5e
  2 66 55 ff - 8c 8e
  2 66 55 ff xs 90-93
  2 66 33 ff Gmv f7
  2 f3 01 ff su 4b
  2 f3 02 ff - 5c 5e
  2 f3 33 ff Gmv f5 f7
  2 f2 02 ff nu 49
  2 f2 01 ff su 4b
  2 f2 02 ff - 5e
  2 f2 33 ff Gmv f5 f7
  2 f2 33 ff GmV f6
  3 66 c0 ff iu 00-01
  3 66 0f ff i 02 4a-4c
  3 66 0f ff iu 04-05 1d
  3 66 0c ff i 06 18 38 46
  3 66 ff ff iu 08-09
  3 66 ff ff i 0a-0f 40 42 44 48-49 5c-5f 68-6f 78-7f
  3 66 33 ff iuM 14-17
  3 66 0c ff iu 19 39
  3 66 33 ff im 20 22
  3 66 33 ff i 21 41
  3 66 22 ff iu 30-33
  3 66 33 ff iuf 60-63
  3 66 f0 ff i ce-cf
  3 66 33 ff iu df
  3 f2 33 ff iuGm f0
  """

let xopOpcodes: StaticString = """
  8 np 03 ff i 85-87 8e-8f 95-97 9e-9f a6 b6 cc-cf ec-ef
  8 np ff ff i a2
  8 np 33 ff i a3
  8 np 03 ff iu c0-c3
  9 np 33 fe mVf 01
  9 np 33 42 mVf 02
  9 np 22 03 uM 12
  9 np 0f ff u 80-81
  9 np 03 ff u 82-83 c1-c3 c6-c7 cb d1-d3 d6-d7 db e1-e3
  9 np 33 ff - 90-9b
  10 np 33 ff duGmf 10
  10 np 33 01 dmVc 12
  10 np 33 02 dmV 12
  """
