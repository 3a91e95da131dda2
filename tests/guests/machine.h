/* What differs between the 32-bit and the 64-bit build. */
#if defined(__mips64)
# define LA     dla
# define ADDIU  daddiu
# define STATUS 0x100000e0              /* CU0, KX, SX, UX */
#else
# define LA     la
# define ADDIU  addiu
# define STATUS 0x10000000              /* CU0 */
#endif
