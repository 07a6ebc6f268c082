use std::process::ExitCode;
use thalweg::distributed::{Communicator, Sharded};
use thalweg::{Adam, Optimizer};

fn main() -> ExitCode {
    // An error or a panic of one rank ends all of them.
    thalweg_mpi::run(|mpi| {
        let rank = mpi.rank();
        let mut optimizer = Sharded::new(Adam::new(1e-2), mpi).shards(64);
        let mut w = ndarray::Array1::<f32>::ones(1000);
        for _ in 0..100 {
            for shard in optimizer.own() {
                let gradient = &w * shard as f32; // of this shard's rows
                optimizer.step(&mut w, &gradient)?;
            }
        }
        if rank == 0 {
            println!("{w}");
        }
        Ok(())
    })
}
