declare i64 @llvm.ctlz.i64(i64, i1)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
!0 = !{!"branch_weights", i32 2000, i32 1}

define internal i64 @get(ptr %base, i64 %at) alwaysinline nounwind {
  %p = getelementptr inbounds i8, ptr %base, i64 %at
  %v = load i64, ptr %p
  ret i64 %v
}
define internal void @put(ptr %base, i64 %at, i64 %v) alwaysinline nounwind {
  %p = getelementptr inbounds i8, ptr %base, i64 %at
  store i64 %v, ptr %p
  ret void
}
define internal ptr @shared_of(ptr %st) alwaysinline nounwind {
  %a = call i64 @get(ptr %st, i64 «st.shared»)
  %p = inttoptr i64 %a to ptr
  ret ptr %p
}
